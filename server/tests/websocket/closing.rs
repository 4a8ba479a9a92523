//! 7 close handling.

use super::case::{
    CONTINUATION, FIN, QUESTION,
    Says::{Answer, Close},
    TEXT, case, check, close, frame, ping, question, text,
};

fn coded(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    close([&code.to_be_bytes(), reason.as_ref()].concat())
}

#[tokio::test]
async fn a_close_is_answered_once_and_ends_it() {
    let normal = || coded(1000, "done");
    let (closed, answered) = (&[Close(Some(1000))], &[Answer, Close(Some(1000))]);
    let large = || text(question(256 * 1024));
    check([
        case("7.1.1", "a text, then a close", [text(QUESTION), normal()].concat(), answered).or(closed),
        case("7.1.2", "two closes", normal().repeat(2), closed),
        case("7.1.3", "a ping after it", [normal(), ping("late")].concat(), closed),
        case("7.1.4", "a text after it", [normal(), text(QUESTION)].concat(), closed),
        case(
            "7.1.5",
            "in the middle of a message",
            [frame(TEXT, "{"), normal(), frame(FIN | CONTINUATION, "}")].concat(),
            closed,
        ),
        case("7.1.6", "256 KiB before it", [large(), normal(), ping("late")].concat(), answered).or(closed),
    ])
    .await;
}

#[tokio::test]
async fn payloads_of_a_close() {
    let refused = &[Close(Some(1002))];
    check([
        case("7.3.1", "none", close(""), &[Close(None)]),
        case("7.3.2", "one byte", close("a"), refused),
        case("7.3.3", "a code", coded(1000, ""), &[Close(Some(1000))]),
        case("7.3.4", "a code and a reason", coded(1000, "Hello World!"), &[Close(Some(1000))]),
        case("7.3.5", "the longest reason", coded(1000, "*".repeat(123)), &[Close(Some(1000))]),
        case("7.3.6", "a reason that is too long", coded(1000, "*".repeat(124)), refused),
        case(
            "7.5.1",
            "a reason that is no UTF-8",
            coded(1000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"),
            &[Close(Some(1007))],
        ),
    ])
    .await;
}

#[tokio::test]
async fn valid_close_codes_are_echoed() {
    let numbers = ["7.7.1", "7.7.2", "7.7.3", "7.7.4", "7.7.5", "7.7.6", "7.7.7", "7.7.8", "7.7.9", "7.7.10", "7.7.11"];
    let codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999];
    let more = [("7.7.12", 4000), ("7.7.13", 4999), ("+7.7", 1012), ("+7.7", 1013)];
    let all = numbers.into_iter().zip(codes).chain(more);
    check(all.map(|(number, code)| case(number, format!("code {code}"), coded(code, ""), &[Close(Some(code))]))).await;
}

#[tokio::test]
async fn invalid_close_codes_are_refused() {
    let numbers = ["7.9.1", "7.9.2", "7.9.3", "7.9.4", "7.9.5", "7.9.6", "7.9.7", "7.9.8", "7.9.9"];
    let codes = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    let more = [("7.13.1", 5000), ("7.13.2", 65_535), ("+7.9", 1015)];
    let all = numbers.into_iter().zip(codes).chain(more);
    check(all.map(|(number, code)| case(number, format!("code {code}"), coded(code, "bad"), &[Close(Some(1002))])))
        .await;
}
