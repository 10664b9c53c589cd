//! Bodies, and the lines that say how long they are.

use super::dice::Dice;

/// The lines that say how long the body is, and the body; `true`: after it the connection can go on. A body may hold what would be a
/// request, if the framing were read in another way.
pub fn framing(dice: &mut Dice, method: &str) -> (String, Vec<u8>, bool) {
    let inner = "GET /admin HTTP/1.1\r\nHost: open.example\r\nX-Fuzz: smuggled\r\n\r\n";
    let chunk = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let with = |lines: String, body: &str, goes_on| (lines, body.as_bytes().to_vec(), goes_on);
    let length = inner.len();
    if !dice.one_in(if method == "GET" { 8 } else { 2 }) {
        return with(String::new(), "", true);
    }
    match dice.below(26) {
        0 => with(format!("Content-Length: {length}\r\n"), inner, true),
        1 => with("Transfer-Encoding: chunked\r\n".into(), &chunk, true),
        2 => with("Transfer-Encoding: chunked\r\nTrailer: Remote-User\r\n".into(), "1\r\nx\r\n0\r\nRemote-User: evil\r\n\r\n", true),
        3 => with(format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", chunk.len()), &chunk, false),
        4 => with("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n".into(), &chunk, false),
        5 => with(format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), inner, false),
        6 => with(format!("Content-Length: +{length}\r\n"), inner, false),
        7 => with(format!("Content-Length: 0, {length}\r\n"), inner, false),
        8 => with("Transfer-Encoding: xchunked\r\n".into(), &chunk, false),
        9 => with("Transfer-Encoding: chunked, identity\r\n".into(), &chunk, false),
        10 => with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n".into(), &chunk, false),
        11 => with("Transfer-Encoding:\u{b}chunked\r\n".into(), &chunk, false),
        12 => with("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n".into(), &chunk, false),
        13 => with(format!("Content-Length: {length}\r\nX: y\r\n folded: z\r\n"), inner, false),
        14 => with(format!("Content-Length: 0x{length:x}\r\n"), inner, false),
        15 => with("Transfer-Encoding: chunked\r\n".into(), "ffffffffffffffff1\r\nx\r\n0\r\n\r\n", false),
        16 => with("Content-Length: 12\r\nContent-Type: application/x-www-form-urlencoded\r\n".into(), "username=a%ff", true),
        17 => with("Content-Length: 0\r\n".into(), "", true),
        _ => {
            let (body, goes_on) = odd_chunks(dice);
            with("Transfer-Encoding: chunked\r\n".into(), &body, goes_on)
        }
    }
}

/// Chunks that are right, with extensions and trailers, and chunks that only lenient readers take.
fn odd_chunks(dice: &mut Dice) -> (String, bool) {
    let right = [
        "5;a=b\r\nhello\r\n0;c\r\n\r\n",
        "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n",
        "005\r\nhello\r\n000\r\n\r\n",
        "A\r\nhellohello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
        "5\r\nhello\r\n0\r\nRemote-User: evil\r\nremote_groups: admin\r\nCookie: vestibule=x\r\n\r\n",
        "5\r\nhello\r\n0\r\nHost: mixed.example\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n",
    ];
    let wrong = [
        "5\nhello\n0\n\n",
        "5\r\nhello\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t;x\r\nhello\r\n0\r\n\r\n",
        "5;\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "3\r\nhello\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\r\nhello\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: open.example\r\n\r\n\"\r\nhello\r\n0\r\n\r\n",
        "5;a\nGET /admin HTTP/1.1\r\nhello\r\n0\r\n\r\n",
        "5;\rx\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n",
        "5\r\nhello\r\n0\r\nRemote-User: evil\n\n",
        "5\r\nhello\r\n0\r\n Remote-User: evil\r\n\r\n",
        "5\r\nhello\r\n0\r\nRemote-User\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\r\nhel",
        "",
    ];
    if dice.one_in(2) {
        let long = dice.one_in(10).then(|| format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(20_000)));
        return long.map_or_else(|| (dice.of(&right).to_owned(), true), |long| (long, false));
    }
    (dice.of(&wrong).to_owned(), false)
}
