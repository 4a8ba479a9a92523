//! 1 framing, 2 pings and pongs, 3 reserved bits, 4 reserved opcodes.

use super::case::{
    BINARY, CLOSE, FIN, PING, QUESTION,
    Says::{Answer, Close, Pong},
    TEXT, case, check, frame, head, ping, pong, question, text,
};

const SIZES: [usize; 6] = [125, 126, 127, 128, 65_535, 65_536];

#[tokio::test]
async fn texts_of_every_length_encoding() {
    let numbers = ["1.1.2", "1.1.3", "1.1.4", "1.1.5", "1.1.6", "1.1.7"];
    let sized = numbers.into_iter().zip(SIZES);
    let sized = sized.map(|(number, size)| case(number, format!("{size} bytes"), text(question(size)), &[Answer]));
    // [AW-CONN-1]: no JSON.
    check(sized.chain([case("1.1.1", "an empty text", text(""), &[Close(Some(4400))])])).await;
}

/// [AW-CONN-2]
#[tokio::test]
async fn binary_messages_are_no_frames() {
    let numbers = ["1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5", "1.2.6", "1.2.7"];
    let sized = numbers.into_iter().zip([0].into_iter().chain(SIZES));
    check(sized.map(|(number, size)| {
        case(number, format!("{size} bytes"), frame(FIN | BINARY, vec![0xFE; size]), &[Close(Some(4400))])
    }))
    .await;
}

#[tokio::test]
async fn pings_are_answered() {
    let (binary, most) = ([0x00, 0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0x00, 0xFF], vec![0xFE; 125]);
    let ten = || (0..10).map(|n| format!("payload-{n}"));
    let pongs: Vec<_> = ten().map(|payload| Pong(payload.into())).collect();
    check([
        case("2.1", "no payload", ping(""), &[Pong(vec![])]),
        case("2.2", "a text", ping("Hello, world!"), &[Pong(b"Hello, world!".to_vec())]),
        case("2.3", "no UTF-8", ping(binary), &[Pong(binary.to_vec())]),
        case("2.4", "125 bytes, in pieces too (2.6)", ping(&most), &[Pong(most.clone())]),
        case("2.5", "126 bytes", ping([0xFE; 126]), &[Close(Some(1002))]),
        case("2.7", "an unasked pong", pong(""), &[]),
        case("2.8", "an unasked pong with a payload", pong("unsolicited"), &[]),
        case("2.9", "a pong, then a ping", [pong("x"), ping("y")].concat(), &[Pong(b"y".to_vec())]),
        case("2.10", "ten pings, in pieces too (2.11)", ten().flat_map(ping).collect(), &pongs),
        case("+2.5", "a pong of 126 bytes", pong([0xFE; 126]), &[Close(Some(1002))]),
    ])
    .await;
}

#[tokio::test]
async fn reserved_bits_are_refused() {
    let refused = &[Close(Some(1002))];
    let then = |bad: Vec<u8>| [text(QUESTION), bad, ping("never")].concat();
    let rsv = |bits: u8, opcode: u8| frame(FIN | (bits << 4) | opcode, QUESTION);
    check([
        case("3.1", "1 in a text", rsv(1, TEXT), refused),
        case("3.2", "2 after a good text", then(rsv(2, TEXT)), &[Answer, Close(Some(1002))]),
        case("3.3", "3 after a good text", then(rsv(3, TEXT)), &[Answer, Close(Some(1002))]),
        case("3.4", "4 after a good text", then(rsv(4, TEXT)), &[Answer, Close(Some(1002))]),
        case("3.5", "5 in a binary", rsv(5, BINARY), refused),
        case("3.6", "6 in a ping", rsv(6, PING), refused),
        case("3.7", "7 in a close", rsv(7, CLOSE), refused),
    ])
    .await;
}

#[tokio::test]
async fn reserved_opcodes_are_refused() {
    let data = ["4.1.1", "4.1.2", "4.1.3", "4.1.4", "4.1.5"].into_iter().zip(3..=7);
    let control = ["4.2.1", "4.2.2", "4.2.3", "4.2.4", "4.2.5"].into_iter().zip(11..=15);
    check(data.chain(control).map(|(number, opcode)| {
        let sends = [text(QUESTION), frame(FIN | opcode, "reserved"), ping("never")].concat();
        case(number, format!("opcode {opcode}"), sends, &[Answer, Close(Some(1002))])
    }))
    .await;
}

#[tokio::test]
async fn what_is_not_masked_is_refused() {
    let bare = |first: u8, payload: &str| [&head(first, payload.len() as u64, false), payload.as_bytes()].concat();
    check([
        case("+", "a text without a mask", bare(FIN | TEXT, QUESTION), &[Close(Some(1002))]),
        case("+", "a ping without a mask", bare(FIN | PING, "x"), &[Close(Some(1002))]),
        case("+", "a close without a mask", bare(FIN | CLOSE, ""), &[Close(Some(1002))]),
    ])
    .await;
}
