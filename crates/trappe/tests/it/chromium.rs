//! A real browser: one tab of a Chromium without a window, driven over the pipe of its `DevTools` protocol.
//!
//! It reaches loopback only: every other name is none to it.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::PATIENCE;
use crate::tools::tool;

/// A name that is an attacker's, and that the browser resolves to this machine (DNS rebinding).
pub(crate) const REBOUND: &str = "rebound.example";

/// How long a browser may take to start where everything else runs at the same time.
const START: Duration = Duration::from_mins(1);

const FLAGS: [&str; 12] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // A page that is left would keep its WebSocket in that cache.
    "--disable-features=MediaRouter,OptimizationHints,BackForwardCache",
    "--no-first-run",
    "--no-proxy-server",
    "--lang=fr",
];

/// A browser with one tab, ended on drop.
pub(crate) struct Chromium {
    child: Child,
    profile: PathBuf,
    /// The tab: what is ordered of it bears this.
    session: String,
    wire: RefCell<Wire>,
}

/// Its `DevTools` protocol: orders go in, answers and events come out, each a JSON object before a NUL.
struct Wire {
    orders: ChildStdin,
    told: Receiver<Value>,
    /// All that was told and wasn't the answer to an order.
    events: Vec<Value>,
    asked: u64,
}

impl Chromium {
    /// Starts one with an empty tab; without a Chromium the test is skipped, and says so.
    #[track_caller]
    pub(crate) fn start() -> Option<Chromium> {
        let chromium = tool("chromium")?;
        let profile = profile();
        let log = File::create(profile.join("log")).expect("the tests may write below target");
        // The protocol has descriptors 3 and 4, which only a shell can give it without unsafe code.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh"])
            .arg(chromium)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!(
                "--host-resolver-rules=MAP {REBOUND} 127.0.0.1, MAP * ~NOTFOUND, \
                 EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"
            ))
            .env("HOME", &profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().expect("there is a shell");
        let orders = child.stdin.take().expect("it is piped");
        let told = objects(child.stdout.take().expect("it is piped"));
        let wire = RefCell::new(Wire { orders, told, events: Vec::new(), asked: 0 });
        let mut browser = Chromium { child, profile, session: String::new(), wire };
        let tab =
            browser.order_within(START, "Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": tab["targetId"], "flatten": true});
        let attached = browser.order("Target.attachToTarget", &attach);
        attached["sessionId"]
            .as_str()
            .expect("a tab has a session")
            .clone_into(&mut browser.session);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.order(domain, &json!({}));
        }
        Some(browser)
    }

    /// Goes to `url`, and waits until it is loaded.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.wire.borrow_mut().events.clear();
        let went = self.order("Page.navigate", &json!({"url": url}));
        assert_eq!(went.get("errorText"), None, "{url}: {went}");
        self.wait(|event| (event["method"] == "Page.loadEventFired").then_some(()));
    }

    /// Waits until the page itself has gone to an address that ends with `path`, or has found it unreachable.
    #[track_caller]
    pub(crate) fn arrived(&self, path: &str) {
        self.wait(|event| {
            let frame = &event["params"]["frame"];
            let address = frame["unreachableUrl"].as_str().or(frame["url"].as_str())?;
            (event["method"] == "Page.frameNavigated" && address.ends_with(path)).then_some(())
        });
    }

    /// What `script` gives, typed into the console of the page; what it promises is waited for.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        let typed = json!({
            "expression": script,
            "replMode": true,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let ran = self.order("Runtime.evaluate", &typed);
        assert_eq!(ran.get("exceptionDetails"), None, "{script} failed; {:#?}", self.console());
        ran["result"]["value"].clone()
    }

    /// Waits for a line of the page's console that `wanted` accepts.
    #[track_caller]
    pub(crate) fn line(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.wait(|event| printed(event).filter(|line| wanted(line)))
    }

    /// What the page's console shows so far, its complaints too.
    pub(crate) fn console(&self) -> Vec<String> {
        let wire = self.wire.borrow();
        wire.events.iter().filter_map(printed).collect()
    }

    #[track_caller]
    fn wait<T>(&self, found: impl Fn(&Value) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut looked = 0;
        loop {
            let new = self.wire.borrow().events[looked..].iter().find_map(&found);
            if let Some(it) = new {
                return it;
            }
            looked = self.wire.borrow().events.len();
            let event = self.told(until);
            self.wire.borrow_mut().events.push(event);
        }
    }

    #[track_caller]
    fn order(&self, method: &str, params: &Value) -> Value {
        self.order_within(PATIENCE, method, params)
    }

    /// Orders something, and gives the answer.
    #[track_caller]
    fn order_within(&self, within: Duration, method: &str, params: &Value) -> Value {
        let until = Instant::now() + within;
        let id = {
            let mut wire = self.wire.borrow_mut();
            wire.asked += 1;
            let mut order = json!({"id": wire.asked, "method": method, "params": params});
            if !self.session.is_empty() && !method.starts_with("Target.") {
                order["sessionId"] = self.session.as_str().into();
            }
            let bytes = [order.to_string().as_bytes(), b"\0"].concat();
            wire.orders.write_all(&bytes).expect("the browser reads its orders");
            wire.asked
        };
        loop {
            let mut told = self.told(until);
            if told["id"] != id {
                self.wire.borrow_mut().events.push(told);
                continue;
            }
            assert_eq!(told.get("error"), None, "{method}");
            return told["result"].take();
        }
    }

    /// The next that the browser tells.
    #[track_caller]
    fn told(&self, until: Instant) -> Value {
        let left = until.saturating_duration_since(Instant::now());
        let told = self.wire.borrow().told.recv_timeout(left);
        told.unwrap_or_else(|why| {
            let log = fs::read_to_string(self.profile.join("log")).unwrap_or_default();
            panic!("{why}; its console: {:#?}; its log: {log}", self.console())
        })
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill, and that is fine.
        drop(self.child.kill());
        drop(self.child.wait());
        // Its helpers end with it, but a moment later, and may write meanwhile.
        let begun = Instant::now();
        while fs::remove_dir_all(&self.profile).is_err() && begun.elapsed() < PATIENCE {
            thread::yield_now();
        }
    }
}

/// A folder of its own for one browser.
fn profile() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let one = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chromium").join(name);
    fs::create_dir_all(&one).expect("the tests may write below target");
    one
}

/// The objects of `source`, each ended by a NUL, on a thread of their own.
fn objects(source: impl Read + Send + 'static) -> Receiver<Value> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for object in BufReader::new(source).split(0).map_while(Result::ok) {
            let Ok(object) = serde_json::from_slice(&object) else { break };
            if sender.send(object).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The line that an event brought to the console: what was logged, or what the browser itself has to say.
fn printed(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.consoleAPICalled" => {
            let shown = |it: &Value| match &it["value"] {
                Value::String(text) => text.clone(),
                Value::Null => it["description"].as_str().unwrap_or("undefined").to_owned(),
                other => other.to_string(),
            };
            let words: Vec<String> = params["args"].as_array()?.iter().map(shown).collect();
            Some(words.join(" "))
        }
        "Log.entryAdded" => params["entry"]["text"].as_str().map(str::to_owned),
        "Runtime.exceptionThrown" => {
            Some(params["exceptionDetails"]["exception"]["description"].to_string())
        }
        _ => None,
    }
}

/// Serves one empty page, whatever is asked for, and gives its port: an origin of the test's own.
pub(crate) fn empty_page() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    // It ends with the tests: a listener can't be woken without a connection, and costs nothing.
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Answers one request.
fn serve(mut stream: TcpStream) {
    let page = "<!doctype html><meta charset=utf-8><title>page</title>";
    let head = BufReader::new(&stream).lines().map_while(Result::ok);
    if head.take_while(|line| !line.is_empty()).count() > 0 {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{page}",
            page.len()
        );
        // A browser that has gone meanwhile needs no page.
        drop(stream.write_all(answer.as_bytes()));
    }
}
