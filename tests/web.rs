//! The engine, in a real browser: numbers in, numbers out. What the facade makes of them is in `tests/browser`.
#![cfg(target_arch = "wasm32")]

use ackwire::web;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::*;

wasm_bindgen_test_configure!(run_in_browser);

/// What is not asked for below is left at the end of a list: it is read as 0.
const SETTINGS: [f64; 8] = [500.0, 30_000.0, 0.0, 15_000.0, 50.0, 50.0, 5_000.0, 0.0];

/// The facade's numbers for names.
const STREAM: f64 = 1.0;
const EPOCH: f64 = 2.0;

/// A client, as `js/engine.ts` has it.
struct Engine(usize);

impl Engine {
    fn new(numbers: &[f64]) -> Self {
        write(numbers);
        Self(web::begin(js_sys::Function::new_no_args("")))
    }

    fn input(&mut self, numbers: &[f64], ids: &str) -> Vec<f64> {
        let at = web::ids(ids.len()) as u32;
        js_sys::Uint8Array::new(&buffer()).subarray(at, at + ids.len() as u32).copy_from(ids.as_bytes());
        write(numbers);
        let at = web::hand(self.0, ids.len()) as u32 / 8;
        let memory = js_sys::Float64Array::new(&buffer());
        memory.slice(at + 1, at + 1 + memory.get_index(at) as u32).to_vec()
    }
}

fn write(numbers: &[f64]) {
    let at = web::numbers(numbers.len()) as u32 / 8;
    js_sys::Float64Array::new(&buffer()).subarray(at, at + numbers.len() as u32).copy_from(numbers);
}

fn buffer() -> JsValue {
    js_sys::Reflect::get(&web::heap(), &"buffer".into()).unwrap()
}

fn engine() -> Engine {
    Engine::new(&SETTINGS)
}

/// Connected, with one subscription whose feed begins at 0.
fn connected() -> Engine {
    let mut engine = engine();
    assert_eq!(subscribe(&mut engine, STREAM), 1.0);
    assert!(does(&mut engine, &[0.0, 0.0], "", &[2.0, 1.0]), "opens socket 1");
    assert!(does(&mut engine, &[15.0, 0.0, 1.0], "", &[5.0, 1.0, 0.0, 1.0, STREAM]), "says hello");
    engine.input(&[22.0, 0.0, 1.0, 25_000.0, 262_144.0], "");
    engine.input(&[23.0, 0.0, 1.0, STREAM, EPOCH], "");
    engine
}

fn subscribe(engine: &mut Engine, stream: f64) -> f64 {
    engine.input(&[8.0, 0.0, stream, 0.0, 0.0, 0.0, 256.0, 1_048_576.0], "")[0]
}

/// Whether these numbers are among what the engine wants done.
fn does(engine: &mut Engine, input: &[f64], ids: &str, expected: &[f64]) -> bool {
    let output = engine.input(input, ids);
    output.windows(expected.len()).any(|part| part == expected)
}

#[wasm_bindgen_test]
fn aw_recv_1_events_are_delivered_and_confirmed() {
    let mut engine = connected();
    // Payload 7 covers (0, 9]; seqs 4 and 9, first attempts, the second critical.
    let frame = [19.0, 10.0, 1.0, STREAM, 7.0, 0.0, 9.0, 0.0, 4.0, 2.0, 9.0, 3.0];
    assert!(does(&mut engine, &frame, "a\nb", &[6.0, 1.0, 7.0, 0.0, 2.0]), "delivers both");
    let ack = [5.0, 1.0, 3.0, STREAM, EPOCH, 9.0, 9.0, 9.0, 0.0];
    assert!(does(&mut engine, &[12.0, 11.0, 1.0, 0.0, 9.0], "", &ack), "a critical event is acked at once");
    assert!(!does(&mut engine, &frame, "a\nb", &[6.0, 1.0, 7.0]), "once per page life");
}

#[wasm_bindgen_test]
fn aw_recv_5_an_id_under_another_seq_is_suppressed() {
    let mut engine = connected();
    engine.input(&[19.0, 10.0, 1.0, STREAM, 7.0, 0.0, 1.0, 0.0, 1.0, 2.0], "größe");
    let again = [19.0, 10.0, 1.0, STREAM, 8.0, 1.0, 3.0, 0.0, 2.0, 2.0, 3.0, 2.0];
    assert!(does(&mut engine, &again, "größe\nnew", &[6.0, 1.0, 8.0, 1.0, 2.0]), "only the other one");
}

#[wasm_bindgen_test]
fn aw_event_an_id_with_a_line_break_is_a_violation() {
    let mut engine = connected();
    let frame = [19.0, 10.0, 1.0, STREAM, 7.0, 0.0, 1.0, 0.0, 1.0, 2.0];
    assert!(does(&mut engine, &frame, "a\nb", &[3.0, 1.0, 4400.0]), "closes");
}

#[wasm_bindgen_test]
fn what_is_held_is_counted_and_its_numbers_stay_in_use() {
    let mut engine = connected();
    let early = [19.0, 10.0, 1.0, STREAM, 7.0, 5.0, 6.0, 0.0, 6.0, 2.0];
    assert_eq!(engine.input(&early, "f")[0], 1.0, "held behind a gap");
    let output = engine.input(&[10.0, 10.0], "");
    let (count, handles) = (output[0] as usize, &output[1..]);
    let mut handles = handles[..count].to_vec();
    handles.sort_by(f64::total_cmp);
    assert_eq!(handles, [STREAM, EPOCH, 7.0]);
}

#[wasm_bindgen_test]
fn a_checkpoint_comes_back_as_it_was_told() {
    let checkpoint = [STREAM, EPOCH, 4.0, 1.0, 6.0, 8.0];
    let mut engine = Engine::new(&[&SETTINGS[..], &checkpoint].concat());
    engine.input(&[8.0, 0.0, STREAM, 2.0, 0.0, 0.0, 256.0, 1_048_576.0], "");
    engine.input(&[0.0, 0.0], "");
    let asked = [5.0, 1.0, 0.0, 1.0, STREAM, 3.0, EPOCH, 4.0, 1.0, 6.0, 8.0];
    assert!(does(&mut engine, &[15.0, 0.0, 1.0], "", &asked), "resumes there");
}

#[wasm_bindgen_test]
fn snapshots_are_lists_of_numbers() {
    let engine = connected();
    let numbers: Vec<f64> =
        js_sys::Array::from(&web::stats(engine.0)).iter().map(|number| number.as_f64().unwrap()).collect();
    assert_eq!(numbers[..6], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(numbers[6..8], [STREAM, EPOCH]);
    assert_eq!(numbers.len(), 6 + 17);
}

#[wasm_bindgen_test]
fn a_client_that_has_ended_does_nothing() {
    let mut engine = connected();
    let mut other = connected();
    web::end(engine.0);
    assert_eq!(engine.input(&[2.0, 0.0], ""), [0.0]);
    assert!(web::stats(engine.0).is_undefined());
    assert!(does(&mut other, &[2.0, 0.0], "", &[13.0]), "the other one flushes");
}

#[wasm_bindgen_test]
fn refusals_are_negative_answers() {
    let mut engine = engine();
    assert_eq!(subscribe(&mut engine, STREAM), 1.0);
    assert_eq!(subscribe(&mut engine, STREAM), -1.0);
    assert_eq!(engine.input(&[9.0, 0.0, 1.0, 100.0], "")[0], 0.0);
    assert_eq!(engine.input(&[9.0, 0.0, 1.0, 100.0], "")[0], -4.0, "the same publish");
}
