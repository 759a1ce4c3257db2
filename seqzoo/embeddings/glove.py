"""GloVe (Pennington et al., 2014): word vectors from Stanford's text files."""

import logging
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path

from seqzoo import hub
from seqzoo.embeddings import word2vec
from seqzoo.embeddings.files import DAMAGED, Rows, decode, sha256_of, stream
from seqzoo.embeddings.vectors import WordVectors

__all__ = ["download", "find", "folder", "from_gensim", "read"]

log = logging.getLogger(__name__)
SOURCE = "https://nlp.stanford.edu/data/glove.6B.zip"
SHA256 = "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb"  # of SOURCE, as pytorch-nlp, Embeddings.jl,
# NumPy's tutorials and the Keras documentation pin it; the files in it are guarded by the archive's own CRC-32
SUFFIXES = (".txt", ".txt.gz", ".zip")
SIZES = (50, 100, 200, 300)


def folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where GloVe is looked for and downloaded to: `data_dir`, else `$SEQZOO_DATA/glove`, else the user's cache."""
    if data_dir:
        return Path(data_dir)
    if root := os.environ.get("SEQZOO_DATA"):
        return Path(root) / "glove"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqzoo" / "glove"


def find(size: int, data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The file of GloVe 6B whose vectors have `size` numbers, in `folder(data_dir)`: by itself, else in glove.6B.zip.

    FileNotFoundError says what to fetch and where to put it.
    """
    known: dict[int, Path] = {}
    place = folder(data_dir)
    for path in sorted(place.glob("glove.6B.*")):
        if path.name.endswith(SUFFIXES) and (found := re.match(r"glove\.6B\.(\d+)d\.", path.name)):
            known.setdefault(int(found[1]), path)
    if size in known:
        return known[size]
    if size in SIZES and (place / "glove.6B.zip").is_file():
        return place / "glove.6B.zip"
    here = f"{place} holds {', '.join(f'{key} d' for key in sorted(known)) or 'none'}"
    if not data_dir and not os.environ.get("SEQZOO_DATA"):
        here = f"SEQZOO_DATA is not set, and {here}"
    raise FileNotFoundError(
        f"GloVe vectors of {size} numbers are not here ({here}); fetch them by `seqzoo embed glove --dimension {size} "
        f"--download`, or take glove.6B.{size}d.txt (50, 100, 200 or 300) out of {SOURCE} and put it into "
        "$SEQZOO_DATA/glove, or name the file itself"
    )


def read(path: str | os.PathLike[str], words: Iterable[str] | None = None, *, dimension: int | None = None) -> WordVectors:
    """The vectors of `words` (of all words where None), in the file's order, each number as the file has it in float32.

    `path` is a text file (.txt, or gzipped .txt.gz) of a word and its numbers per line, or Stanford's .zip, of which the
    member is read whose vectors have `dimension` numbers. Only what is asked for is kept in memory. Of a word that stands
    twice the first is taken; spaces within words are theirs (GloVe 840B has some).

    Raises ValueError, with file and line, for a line of another number of numbers, for what is no finite number, for
    bytes that are not UTF-8 in a word that is kept, for a damaged gzip or zip file, and for another dimension than asked.
    """
    path = Path(path)
    if not path.name.endswith(SUFFIXES):
        raise ValueError(f"a GloVe file must end in {', '.join(SUFFIXES)}, got {str(path)!r}")
    wanted = None if words is None else {word.encode("utf-8", "surrogatepass") for word in words}
    found: dict[bytes, None] = {}
    rows, size, number = None, 0, 0
    try:
        for file in stream(path, lambda names: _member(path, names, dimension)):
            for number, line in enumerate(file, 1):
                line = line.rstrip()
                spaces = line.count(b" ")
                if rows is None:
                    size = _first(path, line, spaces, dimension)
                    rows = Rows(path, size, None if wanted is None else len(wanted))
                if spaces < size:
                    raise ValueError(f"{path}, line {number}: {spaces} numbers where the first line has {size}")
                word, _, values = line.partition(b" ")
                if spaces > size:
                    word = line.rsplit(b" ", size)[0]
                    values = line[len(word) + 1 :]
                if (wanted is None or word in wanted) and word not in found:
                    found[word] = None
                    rows.add(values, number)
    except DAMAGED as error:
        raise ValueError(f"{path} is damaged ({error}); fetch it again") from None
    if rows is None:
        raise ValueError(f"{path} is empty")
    known, matrix = decode(path, list(found)), rows.finish()
    log.info("%s: %d vectors of %d numbers", path.name, len(known), size)
    made_by = {"architecture": "glove", "file": path.name, "vector_size": size}
    return WordVectors(known, matrix, f"GloVe, {path.name}", sha256_of(path), made_by=made_by)


def from_gensim(name: str, words: Iterable[str] | None = None) -> WordVectors:
    """The same by gensim's downloader, as `glove-wiki-gigaword-100`; it keeps the file in its own folder."""
    from gensim import downloader

    if not name.startswith("glove-"):
        raise ValueError(f"gensim's GloVe vectors are called glove-..., got {name!r}")
    vectors = word2vec.read(downloader.load(name, return_path=True), words)
    return replace(vectors, source=f"GloVe, gensim's {name}", made_by={**vectors.made_by, "architecture": "glove"})


def _first(path: Path, line: bytes, spaces: int, dimension: int | None) -> int:
    """How many numbers the vectors have, by the first line."""
    if spaces == 1 and line.replace(b" ", b"").isdigit():
        raise ValueError(f"{path} begins with word2vec's header {line.decode()!r}; read it by word2vec.read")
    if not spaces:
        raise ValueError(f"{path}, line 1: a word and its numbers expected, got {line[:40]!r}")
    if dimension is not None and spaces != dimension:
        raise ValueError(f"{path}: vectors of {spaces} numbers where {dimension} were asked for")
    return spaces


def _member(path: Path, names: list[str], dimension: int | None) -> str:
    """The text file of that dimension in a .zip; the only one where none is asked for."""
    texts = [name for name in names if name.endswith(".txt")]
    chosen = texts if dimension is None else [name for name in texts if re.search(rf"\.{dimension}d\.txt$", name)]
    if len(chosen) == 1:
        return chosen[0]
    if dimension is None:
        raise ValueError(f"{path} holds {', '.join(texts) or 'no .txt'}: say which by its dimension")
    raise ValueError(f"{path} holds no vectors of {dimension} numbers, but {', '.join(texts) or 'no .txt'}")


def download(
    data_dir: str | os.PathLike[str] | None = None, *, url: str = SOURCE, sha256: str | None = SHA256, progress: bool = False
) -> Path:
    """Fetch Stanford's GloVe 6B (862 MB, all four dimensions) into `folder(data_dir)`, unless it is there; its path.

    A download that was cut goes on where it stopped, where the server knows ranges. The file takes its name only when
    its sha256 is right; None, for another `url`, checks nothing but the archive's own sums when it is read. Raises
    OSError where the server cannot be reached, ValueError where the file is another one.
    """
    place = folder(data_dir)
    place.mkdir(parents=True, exist_ok=True)
    target = place / url.rpartition("/")[2]
    if target.is_file():
        return target
    part = target.with_name(f"{target.name}.part")
    have, total = part.stat().st_size if part.is_file() else 0, None
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            have = have if answer.status == 206 else 0  # else the server sends all of it
            rest = answer.headers.get("Content-Length")
            total = have + int(rest) if rest else None
            with open(part, "ab" if have else "wb") as file, _bar(target.name, have, total, progress) as bar:
                while piece := answer.read(1 << 18):
                    file.write(piece)
                    bar(len(piece))
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing is left to send
            raise OSError(f"{url} answers {error.code} {error.reason}; put {target.name} into {place} yourself") from None
    except (OSError, HTTPException) as error:
        raise OSError(f"{url} was cut or cannot be reached ({error}); the same call goes on from {part}") from None
    if total is not None and part.stat().st_size < total:
        raise OSError(f"{url} was cut before its {total:,} bytes were here; the same call goes on from {part}")
    if sha256 is not None and (found := sha256_of(part)) != sha256:
        part.unlink()
        raise ValueError(f"{url}: sha256 {found} is not {sha256}; removed, since it is not the file that was published")
    part.replace(target)
    return target


@contextmanager
def _bar(name: str, have: int, total: int | None, progress: bool):
    """A function that is told how many bytes came."""
    if not progress or not hub.shows_progress():
        yield lambda size: None
        return
    from tqdm import tqdm

    with tqdm(desc=name, initial=have, total=total, unit="B", unit_scale=True) as bar:
        yield bar.update
