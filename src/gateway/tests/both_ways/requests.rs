//! Requests of every kind that there is to forward, and some that are not.

/// `SIGNED_IN` stands for the cookie's line.
pub const ALL: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a.example\r\nSIGNED_IN\r\n",
    "GET /a//b%20c?x=%2f HTTP/1.1\r\nhost: A.Example:80\r\nACCEPT: */*\r\nSIGNED_IN\r\n",
    "GET /\u{e4} HTTP/1.1\r\nHost: a.example\r\nSIGNED_IN\r\n",
    "HEAD / HTTP/1.1\r\nHost: a.example\r\nSIGNED_IN\r\n",
    "OPTIONS / HTTP/1.1\r\nHost: a.example\r\nSIGNED_IN\r\n",
    "DELETE / HTTP/1.1\r\nHost: a.example\r\nSIGNED_IN\r\n",
    "PROPFIND / HTTP/1.1\r\nHost: a.example\r\nDepth: 1\r\nSIGNED_IN\r\n",
    "TRACE / HTTP/1.1\r\nHost: a.example\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.0\r\nHost: a.example\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\nSIGNED_IN\r\n",
    // What spoofs.
    "GET / HTTP/1.1\r\nHost: a.example\r\nRemote-User: root\r\nremote_user: root\r\nX-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 9.9.9.9\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Host: b\r\nX-Forwarded-Proto: https\r\nForwarded: for=x\r\nX-Request-Id: mine\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Remote-User\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: X-Forwarded-For\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: cookie, host\r\nSIGNED_IN\r\n",
    // What belongs to the connection.
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nX-Stays: 1\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive\r\nConnection: X-Hop\r\nX-Hop: 1\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=9\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: KEEP-ALIVE\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: \r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: \"close\"\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: a,b,c,d,e,f,g,h,i,j,k\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: TE\r\nTE: trailers\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nTE: gzip\r\nTrailer: x\r\nProxy-Connection: close\r\nProxy-Authorization: Basic x\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nSIGNED_IN\r\n",
    // Bodies, and what looks like one.
    "GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nSIGNED_IN\r\nabc",
    "GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nContent-Length: 3\r\nSIGNED_IN\r\nabc",
    "GET / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nSIGNED_IN\r\n3\r\nabc\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\nSIGNED_IN\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nSIGNED_IN\r\nabc",
    "PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nSIGNED_IN\r\nabc",
    // Cookies.
    "GET / HTTP/1.1\r\nHost: a.example\r\nCookie: vestibule=good\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nCookie: a=1\r\nSIGNED_INCookie: c=3\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nCookie: vestibule=forged\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nCookie: vestibule=good; vestibule=good\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    // Authentication of the connection.
    "GET / HTTP/1.1\r\nHost: a.example\r\nAuthorization: Basic YTpi\r\nRange: bytes=0-1\r\nIf-None-Match: \"x\"\r\nSIGNED_IN\r\n",
];

/// What nobody forwards.
pub const REFUSED: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nSIGNED_IN\r\n",
    "GET /../x HTTP/1.1\r\nHost: a.example\r\nSIGNED_IN\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nContent-Length: 4\r\nSIGNED_IN\r\nabc",
    "GET / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: xchunked\r\nSIGNED_IN\r\n",
    "GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\nSIGNED_IN\r\n",
];
