//! A hub inside of a program, and clients of it: both libraries together.

use trappe::client::{Event, Lost, Options as ClientOptions};
use trappe::server::Options;

use crate::client_lab::{run, said, soon, to, until};
use crate::kept_hub::Folder;

#[test]
fn a_hub_in_a_program_is_started_stopped_and_started_again_with_its_history() {
    let folder = Folder::new();
    let start = |address: &str| {
        let options = Options::new().listen(address).expect("an address").data(folder.path("data"));
        options.start()
    };
    run(async {
        let hub = start("127.0.0.1:0").expect("there is a port");
        let port = hub.addresses()[0].port();
        let (alice, mut events) = to(port).name("alice").connect().await.expect("it is there");
        let (bob, mut hears_bob) = to(port).connect().await.expect("it is there");
        let first = alice.send("lobby", "un").await.expect("acknowledged");
        assert_eq!(said(&mut hears_bob).await, "un");
        hub.stop();
        let why = until(&mut events, |event| match event {
            Event::Reconnecting { why, .. } => Some(why.clone()),
            _ => None,
        });
        assert!(matches!(why.await, Lost::Goodbye(it) if it.code == "shutdown"));
        let hub = start(&format!("127.0.0.1:{port}")).expect("the port is free again");
        let second = soon(alice.send("lobby", "deux")).await.expect("acknowledged");
        assert_eq!((&second.epoch, said(&mut hears_bob).await.as_str()), (&first.epoch, "deux"));
        drop((bob, hub));
    });
}

#[test]
fn what_a_hub_in_a_program_cannot_do_is_an_error_that_says_why() {
    let hub = Options::new().listen("127.0.0.1:0").expect("an address").start().expect("a port");
    let address = hub.addresses()[0].to_string();
    let again = Options::new().listen(&address).expect("an address").start();
    let told = again.expect_err("it is in use").to_string();
    assert!(told.contains("is in use by "), "{told}");
    assert!(told.ends_with("stop it, or listen elsewhere: port 0 takes a free one"), "{told}");
    let wrong = Options::new().listen("ici").expect_err("no address").to_string();
    assert!(wrong.contains("\"ici\" is no address to listen on"), "{wrong}");
    let folder = Folder::new();
    let nowhere = folder.path("none").join("data");
    let kept = Options::new().listen("127.0.0.1:0").expect("an address").data(nowhere).start();
    assert!(kept.is_err());
}

#[test]
fn a_client_may_be_there_before_its_hub() {
    run(async {
        let folder = Folder::new();
        let address = format!("unix:{}", folder.path("s").display());
        let (client, mut events) = ClientOptions::new(&address).expect("a path").start();
        let sent = client.submit("lobby", "bonjour").await.expect("taken");
        until(&mut events, |event| matches!(event, Event::Reconnecting { .. }).then_some(())).await;
        let hub = Options::new().listen(&address).expect("a path").start().expect("it starts");
        assert_eq!(soon(sent).await.expect("acknowledged").seq, 1);
        hub.stop();
    });
}
