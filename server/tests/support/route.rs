//! An address that leads to one server now and to another later, as the name of a primary does.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// It leads nowhere any more once this is dropped.
pub struct Route {
    port: u16,
    target: watch::Sender<u16>,
}

impl Route {
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, mut changes) = watch::channel(target);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    accepted = listener.accept() => drop(tokio::spawn(join(accepted.unwrap().0, changes.clone()))),
                    changed = changes.changed() => if changed.is_err() { return },
                }
            }
        });
        Self { port, target }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on it leads there; connections to where it led before break.
    pub fn turn(&self, target: u16) {
        self.target.send(target).unwrap();
    }
}

async fn join(mut here: TcpStream, mut changes: watch::Receiver<u16>) {
    let target = *changes.borrow_and_update();
    let Ok(mut there) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    tokio::select! {
        // One of them has ended, or broken off.
        _ = copy_bidirectional(&mut here, &mut there) => {}
        _ = changes.changed() => {}
    }
}
