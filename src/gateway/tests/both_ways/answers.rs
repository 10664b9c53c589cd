//! Answers of every kind that upstreams give, right and wrong.

use super::script::Answer;

const fn of(pieces: &'static [&'static [u8]]) -> Answer {
    Answer { pieces, closes: false, is_broken: false }
}

const fn closing(pieces: &'static [&'static [u8]]) -> Answer {
    Answer { closes: true, ..of(pieces) }
}

const fn broken(pieces: &'static [&'static [u8]]) -> Answer {
    Answer { is_broken: true, ..closing(pieces) }
}

pub const USUAL: Answer = of(&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"]);
pub const MOVED: Answer =
    of(&[b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Location: /x\r\nRefresh: 5\r\nContent-Length: 0\r\n\r\n"]);
pub const COOKIES: Answer = of(&[
    b"HTTP/1.1 200 OK\r\nSet-Cookie: app=1; Path=/\r\nSet-Cookie: vestibule=evil\r\nset-cookie: b=2; Domain=inside.example\r\nContent-Length: 2\r\n\r\nok",
]);

pub const ALL: &[Answer] = &[
    USUAL,
    MOVED,
    COOKIES,
    of(&[b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"hello", b"world"]),
    of(&[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]),
    of(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"5;x=y\r\nworld\r\n", b"0\r\n\r\n"]),
    of(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]),
    of(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nSet-Cookie: vestibule=evil\r\n\r\n"]),
    closing(&[b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil", b" the end"]),
    closing(&[b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"]),
    closing(&[b"HTTP/1.0 200 OK\r\n\r\nold"]),
    closing(&[b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold"]),
    of(&[b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nold"]),
    of(&[b"HTTP/1.1 204 No Content\r\n\r\n"]),
    of(&[b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"]),
    closing(&[b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"]),
    closing(&[b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]),
    of(&[b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"]),
    of(&[b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"]),
    of(&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"]),
    of(&[b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"]),
    closing(&[b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]),
    of(&[b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]),
    of(&[b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]),
    of(&[b"HTTP/1.1 200\r\nContent-Length: 5\r\nX-Empty:\r\n\r\nhello"]),
    of(&[b"HTTP/1.1 299 Own Words\r\ncontent-length: 5\r\nX-Upper-CASE: 1\r\nx-twice: 1\r\nX-Twice: 2\r\n\r\nhello"]),
    of(&[b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nContent-Length: 5\r\n\r\nhello"]),
    closing(&[b"HTTP/1.1 200 OK\r\nConnection: close, Content-Length\r\nContent-Length: 5\r\n\r\nhello"]),
    of(&[b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 2\r\n\r\nno"]),
    of(&[b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"]),
    of(&[b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno"]),
    of(&[b"HTTP/1.1 200 OK\r\nService-Worker-Allowed: /\r\nCross-Origin-Opener-Policy: same-origin\r\nContent-Length: 2\r\n\r\nok"]),
    of(&[b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"]),
    // More than was promised.
    closing(&[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more"]),
    closing(&[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"]),
    // Nothing that is allowed.
    broken(&[]),
    broken(&[b"garbage\r\n\r\n"]),
    broken(&[b"HTTP/1.1 200 OK\r\nContent-Le"]),
    broken(&[b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx"]),
    broken(&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"]),
    broken(&[b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello"]),
    broken(&[b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello"]),
    broken(&[b"HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok"]),
    broken(&[b"HTTP/1.1 200 OK\r\nX Y: 1\r\nContent-Length: 2\r\n\r\nok"]),
    broken(&[b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"]),
    broken(&[b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"hello"]),
    broken(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"5\r\nwor"]),
    broken(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nhello"]),
    broken(&[b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]),
];
