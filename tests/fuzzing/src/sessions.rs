//! Both ends, driven by operations that bytes choose: with each other, over the simulation's network, and each with a peer
//! that says whatever it likes.

use arbitrary::{Arbitrary, Unstructured};

use crate::{plan, receiver, sender};

/// What one input tells.
#[derive(Arbitrary)]
enum Story {
    /// Tabs, producers and a server, and the simulation's checks after every step.
    Pair,
    /// A client, and a server that says what it likes.
    Receiver,
    /// A server, and a client that says what it likes.
    Sender,
}

/// Reads the bytes as a story. What is too short for one is none.
pub fn sessions(bytes: &[u8]) {
    let mut choices = Unstructured::new(bytes);
    // An error means that the bytes ran out: the story ends there.
    let _ = match choices.arbitrary() {
        Ok(Story::Pair) => pair(&mut choices),
        Ok(Story::Receiver) => receiver::run(&mut choices),
        Ok(Story::Sender) => sender::run(&mut choices),
        Err(_) => return,
    };
}

/// Both ends with each other. The bytes are the plan; chance within it (which frame is lost, which handler throws) is the
/// seed's.
fn pair(choices: &mut Unstructured) -> arbitrary::Result<()> {
    let seed: u32 = choices.arbitrary()?;
    plan::read(choices)?.run(seed.into(), None);
    Ok(())
}
