//! Reads past a JSON value without looking into its texts, natively: an event's data is hundreds of bytes that nobody
//! needs on their way from the log to the socket, and a parser looks at each of them.

use memchr::memchr2;
use serde::Deserialize;

use super::{Meta, Priority};

/// Deeper values are left to a parser that needs no stack for them.
const MAX_DEPTH: usize = 64;

/// What is read of an event: all but its data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Skimmed<'a> {
    pub seq: u64,
    pub id: &'a str,
    pub event_type: &'a str,
    pub time: u64,
    pub options: Options,
}

/// The fields of an event that it may lack, but for `attempt`, which is not in the log.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    pub priority: Priority,
    pub meta: Meta,
    pub deadline_ms: Option<u32>,
    pub retries: Option<u32>,
}

/// Reads an event's JSON as the log writes it: the fields that every event has come first, in this order, and its data after
/// them. `None` if the JSON is of another form, or not valid.
pub(crate) fn skim(json: &str) -> Option<Skimmed<'_>> {
    let past = |at: usize, word: &str| json[at..].starts_with(word).then_some(at + word.len());
    let (seq, at) = integer(json, past(0, r#"{"seq":"#)?)?;
    let (id, at) = bare(json, past(at, r#","id":""#)?)?;
    let (event_type, at) = bare(json, past(at, r#","type":""#)?)?;
    let (time, at) = integer(json, past(at, r#","time":"#)?)?;
    let at = value(json.as_bytes(), past(at, r#","data":"#)?, 0)?;
    let options = match &json[at..] {
        "}" => Options::default(),
        more => serde_json::from_str(&["{", more.strip_prefix(',')?].concat()).ok()?,
    };
    Some(Skimmed { seq, id, event_type, time, options })
}

/// A whole number that begins there, and where it ends.
fn integer(json: &str, at: usize) -> Option<(u64, usize)> {
    let digits = json.as_bytes()[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = &json[at..at + digits];
    (text == "0" || !text.starts_with('0')).then_some(text.parse().ok()?).map(|number| (number, at + digits))
}

/// A string without escapes whose text begins there, and where it ends.
fn bare(json: &str, at: usize) -> Option<(&str, usize)> {
    let text = &json[at..at + memchr2(b'"', b'\\', &json.as_bytes()[at..])?];
    let end = at + text.len();
    (json.as_bytes()[end] == b'"' && text.bytes().all(|byte| byte >= b' ')).then_some((text, end + 1))
}

/// Where the value that begins there ends.
fn value(json: &[u8], at: usize, depth: usize) -> Option<usize> {
    match *json.get(at)? {
        b'"' => string(json, at + 1),
        b'{' if depth < MAX_DEPTH => list(json, at + 1, b'}', |at| {
            let colon = space(json, json.get(at).filter(|quote| **quote == b'"').and_then(|_| string(json, at + 1))?);
            json.get(colon).filter(|colon| **colon == b':')?;
            value(json, space(json, colon + 1), depth + 1)
        }),
        b'[' if depth < MAX_DEPTH => list(json, at + 1, b']', |at| value(json, at, depth + 1)),
        b't' => literal(json, at, b"true"),
        b'f' => literal(json, at, b"false"),
        b'n' => literal(json, at, b"null"),
        b'-' | b'0'..=b'9' => number(json, at),
        _ => None,
    }
}

/// Where a list of items ends whose first may begin there.
fn list(json: &[u8], at: usize, end: u8, item: impl Fn(usize) -> Option<usize>) -> Option<usize> {
    let mut at = space(json, at);
    if *json.get(at)? == end {
        return Some(at + 1);
    }
    loop {
        at = space(json, item(at)?);
        match *json.get(at)? {
            b',' => at = space(json, at + 1),
            last => return (last == end).then_some(at + 1),
        }
    }
}

/// Where a string ends whose text begins there.
fn string(json: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = memchr2(b'"', b'\\', json.get(at..)?)?;
        let is_plain = json[at..at + length].iter().fold(true, |is_plain, byte| is_plain & (*byte >= b' '));
        if !is_plain {
            return None;
        }
        at += length + 1;
        if json[at - 1] == b'"' {
            return Some(at);
        }
        match *json.get(at)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 1,
            b'u' if json.get(at + 1..at + 5)?.iter().all(u8::is_ascii_hexdigit) => at += 5,
            _ => return None,
        }
    }
}

fn number(json: &[u8], at: usize) -> Option<usize> {
    let digits = |at: usize| at + json[at.min(json.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let some_digits = |at| Some(digits(at)).filter(|end| *end > at);
    let is = |at: usize, wanted: &[u8]| json.get(at).is_some_and(|byte| wanted.contains(byte));
    let first = at + usize::from(is(at, b"-"));
    let mut at = if is(first, b"0") { first + 1 } else { some_digits(first)? };
    if is(at, b".") {
        at = some_digits(at + 1)?;
    }
    if is(at, b"eE") {
        at = some_digits(at + 1 + usize::from(is(at + 1, b"+-")))?;
    }
    Some(at)
}

fn literal(json: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    json[at..].starts_with(word).then_some(at + word.len())
}

fn space(json: &[u8], at: usize) -> usize {
    at + json[at.min(json.len())..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
    use serde::de::IgnoredAny;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    #[test]
    fn data_of_any_form_is_read_past_to_what_follows_it() {
        let skimmed = |data: &str, rest: &str| {
            let json = format!(r#"{{"seq":1,"id":"a","type":"t","time":2,"data":{data}{rest}}}"#);
            skim(&json).map(|event| event.options)
        };
        let meta = Options { meta: [("data".to_owned(), "1".to_owned())].into(), ..Options::default() };
        let simple = ["1", "-0.5e+7", "null", "true", "false", r#""}\"]""#, r#""\u12aF\u0000""#];
        let nested = [r#"{"a":[{},[],"\\"],"b":{"data":"}"}}"#, r#"[ 1 , { "a" : 2 } ]"#];
        for data in simple.into_iter().chain(nested) {
            assert_eq!(skimmed(data, ""), Some(Options::default()), "{data}");
            assert_eq!(skimmed(data, r#","meta":{"data":"1"}"#).as_ref(), Some(&meta), "{data}");
        }
        let broken = ["", "01", "1.", "-", "tru", "nul", "[1,]", "{,}", r#"{"a"}"#, "\"\n\"", r#""\x""#, r#""\u00g0""#];
        for data in broken.into_iter().chain([" 1", "1 2", " [ 1 , 2 ]"]) {
            assert_eq!(skimmed(data, ""), None, "{data}");
        }
    }

    /// JSON, and what is nearly JSON.
    fn texts() -> impl Strategy<Value = String> {
        let token = prop_oneof![
            prop::sample::select(vec![
                "{",
                "}",
                "[",
                "]",
                ",",
                ":",
                "\"",
                "\\",
                "\\u12aF",
                "\\n",
                "0",
                "12",
                "-",
                ".5",
                "e",
                "E+3",
                "true",
                "false",
                "null",
                " ",
                "\n",
                "\t",
                "a",
                "é",
                "\u{1}",
                "\"a\":",
                "\"b\"",
                "[1,2]",
                "{\"c\":null}",
            ])
            .prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(token, 1..12).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #[test]
        fn a_value_is_taken_exactly_if_a_parser_takes_it(text in texts()) {
            let is_taken = value(text.as_bytes(), 0, 0) == Some(text.len());
            // Space around a value belongs to nobody here.
            let is_bare = text.trim_matches([' ', '\n', '\t', '\r']) == text;
            prop_assert_eq!(is_taken, is_bare && serde_json::from_str::<IgnoredAny>(&text).is_ok());
        }
    }

    #[test]
    fn an_event_is_read_as_the_log_writes_it_and_in_no_other_form() {
        let json = r#"{"seq":7,"id":"a-1","type":"t.u","time":0,"data":{"a":["}",1]},"priority":"high","retries":3}"#;
        let options = Options { priority: Priority::High, retries: Some(3), ..Options::default() };
        assert_eq!(skim(json), Some(Skimmed { seq: 7, id: "a-1", event_type: "t.u", time: 0, options }));
        for (part, instead) in [
            ("{\"seq\"", " {\"seq\""),
            ("7", "07"),
            ("7", "-7"),
            ("7", ""),
            ("7", "18446744073709551616"),
            (",\"id\"", ", \"id\""),
            ("a-1", "a\\u002d1"),
            ("a-1", "a\n1"),
            ("\"}\"", "}"),
            (",\"priority\"", ",,\"priority\""),
            (",\"priority\"", "\"priority\""),
            ("high", "highest"),
            ("retries", "seq"),
            ("retries", "priority"),
            ("3}", "3"),
            ("3}", "3}}"),
        ] {
            assert_eq!(skim(&json.replacen(part, instead, 1)), None, "{instead} for {part}");
        }
    }

    proptest! {
        #[test]
        fn an_event_is_what_a_parser_reads(parts in prop::array::uniform5(texts()), seq in any::<u64>(), option in 0..4usize) {
            let [id, event_type, time, data, end] = parts;
            let seqs = [seq.to_string(), time.clone()];
            let option = ["", r#","priority":"low""#, r#","meta":{"a":"\n"}"#, r#","deadline_ms":5,"retries":0"#][option];
            let ends = [format!("{option}}}"), end];
            for (seq, time, end) in seqs.iter().flat_map(|seq| [(seq, &time, &ends[0]), (seq, seq, &ends[0]), (seq, seq, &ends[1])]) {
                let json = format!(r#"{{"seq":{seq},"id":"{id}","type":"{event_type}","time":{time},"data":{data}{end}"#);
                let Some(Skimmed { seq, id, event_type, time, options }) = skim(&json) else { continue };
                let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&json).unwrap();
                let mut take = |name| fields.remove(name).unwrap();
                let numbers = ["seq", "time"].map(|name| take(name).get().parse().unwrap());
                let texts = ["id", "type"].map(|name| serde_json::from_str::<String>(take(name).get()).unwrap());
                take("data");
                prop_assert_eq!((numbers, texts), ([seq, time], [id, event_type].map(str::to_owned)));
                let rest = serde_json::to_string(&fields).unwrap();
                prop_assert_eq!(serde_json::from_str::<Options>(&rest).unwrap(), options);
            }
        }
    }

    #[test]
    fn a_value_that_is_too_deep_is_left_to_others() {
        for (begin, middle, end) in [("[", "", "]"), ("{\"a\":", "1", "}")] {
            let nested = |depth: usize| format!("{}{middle}{}", begin.repeat(depth), end.repeat(depth));
            let taken = |depth| value(nested(depth).as_bytes(), 0, 0).is_some();
            assert_eq!([MAX_DEPTH, MAX_DEPTH + 1].map(taken), [true, false], "{begin}");
        }
    }
}
