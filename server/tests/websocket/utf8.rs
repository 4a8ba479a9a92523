//! 6 UTF-8.

use super::case::{
    CONTINUATION,
    Says::{Answer, Close},
    TEXT, asking, case, check, fragments, frame, text,
};

const NO_UTF8: &[super::case::Says] = &[Close(Some(1007))];

/// The Greek word kosme, of which Autobahn is fond: 11 bytes.
const KOSME: &str = "κόσμε";

#[tokio::test]
async fn valid_texts_are_taken_wherever_they_are_cut() {
    let message = asking("Hello-µ@ßöäüàá-UTF-8!! 𝄞 κόσμε");
    let cut = (0..=message.len()).map(|at| {
        let parts = message.split_at(at);
        case("6.2.2", format!("cut at {at}"), fragments([parts.0, parts.1]), &[Answer])
    });
    let bytes = case("6.2.3", "each byte a fragment", fragments(message.chunks(1)), &[Answer]);
    check(cut.chain([case("6.2.1", "in one", text(&message), &[Answer]), bytes])).await;
}

#[tokio::test]
async fn the_first_and_last_of_each_length_are_taken() {
    let valid = [
        ("6.5.1", "\u{7f}"),
        ("6.7.2", "\u{80}"),
        ("6.7.3", "\u{800}"),
        ("6.7.4", "\u{10000}"),
        ("6.9.2", "\u{7ff}"),
        ("6.9.3", "\u{ffff}"),
        ("6.9.4", "\u{10ffff}"),
        ("6.11.1", "\u{d7ff}"),
        ("6.11.2", "\u{e000}"),
        ("6.11.3", "\u{fffd}"),
        ("6.22.1", "\u{fffe}"),
        ("6.22.34", "\u{10fffe}"),
        ("6.23.1", "\u{feff}"),
    ];
    check(valid.into_iter().map(|(number, character)| {
        case(number, format!("{}", character.escape_unicode()), text(asking(character)), &[Answer])
    }))
    .await;
}

#[tokio::test]
async fn what_is_no_utf8_is_refused() {
    let greek = KOSME.as_bytes();
    let bad: [(&str, &[u8]); 34] = [
        ("6.3.1", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"),
        ("6.6.1", &greek[..1]),
        ("6.6.3", &greek[..3]),
        ("6.6.6", &greek[..5]),
        ("6.8.1", b"\xf8\x88\x80\x80\x80"),
        ("6.8.2", b"\xfc\x84\x80\x80\x80\x80"),
        ("6.10.1", b"\xf7\xbf\xbf\xbf"),
        ("6.10.2", b"\xfb\xbf\xbf\xbf\xbf"),
        ("6.10.3", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
        ("6.11.5", b"\xf4\x90\x80\x80"),
        ("6.12.1", b"\x80"),
        ("6.12.2", b"\xbf"),
        ("6.12.3", b"\x80\xbf"),
        ("6.12.7", b"\x80\xbf\x80\xbf\x80\xbf"),
        ("6.13.1", b"\xc0 \xc1 \xc2 \xc3 \xdf "),
        ("6.13.2", b"\xe0 \xe1 \xef "),
        ("6.13.3", b"\xf0 \xf1 \xf7 "),
        ("6.14.1", b"\xc0"),
        ("6.14.2", b"\xe0\x80"),
        ("6.14.3", b"\xf0\x80\x80"),
        ("6.14.6", b"\xdf"),
        ("6.14.7", b"\xef\xbf"),
        ("6.14.8", b"\xf7\xbf\xbf"),
        ("6.15.1", b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80"),
        ("6.16.1", b"\xfe"),
        ("6.16.2", b"\xff"),
        ("6.17.1", b"\xc0\xaf"),
        ("6.17.2", b"\xe0\x80\xaf"),
        ("6.18.1", b"\xc1\xbf"),
        ("6.18.2", b"\xe0\x9f\xbf"),
        ("6.19.1", b"\xc0\x80"),
        ("6.20.1", b"\xed\xa0\x80"),
        ("6.20.7", b"\xed\xbf\xbf"),
        ("6.21.1", b"\xed\xa0\x80\xed\xb0\x80"),
    ];
    let whole = bad.into_iter().map(|(number, bytes)| case(number, "in one", text(asking(bytes)), NO_UTF8));
    let byte_by_byte = bad
        .into_iter()
        .map(|(number, bytes)| case(number, "each byte a fragment", fragments(asking(bytes).chunks(1)), NO_UTF8));
    check(whole.chain(byte_by_byte)).await;
}

/// The rest of the message never comes.
#[tokio::test]
async fn it_is_refused_as_soon_as_its_fragment_is_there() {
    let bad = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80";
    let (good, worse) = bad.split_at(11);
    check([
        case("6.4.1", "in the second fragment", [frame(TEXT, good), frame(CONTINUATION, worse)].concat(), NO_UTF8),
        case(
            "6.4.2",
            "in the middle of a character",
            [frame(TEXT, &bad[..12]), frame(CONTINUATION, &bad[12..])].concat(),
            NO_UTF8,
        ),
        case("+6.4", "in the first fragment", frame(TEXT, bad), NO_UTF8),
    ])
    .await;
}
