//! Runs one scenario once, for callgrind, which counts what happens within `measured` only. Without a name it lists as
//! JSON which there are.

use ackwire_benches::scenarios;
use std::process::ExitCode;

fn main() -> ExitCode {
    let scenarios = scenarios();
    let Some(name) = std::env::args().nth(1) else {
        let counted = scenarios.iter().filter(|scenario| !scenario.is_long);
        let list = counted.map(|it| serde_json::json!({ "name": it.name, "units": it.units, "unit": it.unit }));
        println!("{}", list.collect::<serde_json::Value>());
        return ExitCode::SUCCESS;
    };
    match scenarios.iter().find(|scenario| scenario.name == name) {
        Some(scenario) => {
            measured(scenario.prepare());
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("There is no scenario {name:?}; without an argument all are listed.");
            ExitCode::FAILURE
        }
    }
}

/// Not inlined, so that callgrind finds it by its name.
#[inline(never)]
fn measured(work: Box<dyn FnOnce()>) {
    work();
}
