//! What a new connection costs, what an idle one keeps, and what is done before there are any.

use crate::Cost;
use crate::counting::{callgrind, calls_but, instructions, strace};
use crate::requests::{FEW, MANY, SMALL, Served, WAITS, kidstamp_under, serve};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Idle connections that are made at a time, and how long they are given until they hold nothing that they do not need.
const IDLE: (u32, Duration) = (50, Duration::from_millis(250));
/// How many times as many.
const IDLE_BATCHES: u32 = 10;

pub(crate) fn count(upstream: SocketAddr, folder: &TempDir, log: &Path) -> Vec<Cost> {
    let of = |tool: Command, count: &dyn Fn(&Path) -> f64, connections: u32| {
        serve(kidstamp_under(tool), upstream, folder, |served| {
            (0..connections).for_each(|_| SMALL.ask(&mut served.connect()));
        });
        count(log)
    };
    let each = |many: f64, few: f64| (many - few) / f64::from(MANY - FEW);
    let others = |log: &Path| calls_but(log, &WAITS);
    let mut memory = 0.0;
    serve(kidstamp_under(Command::new("env")), upstream, folder, |served| {
        memory = idle_memory(served);
    });
    vec![
        Cost {
            name: "a new connection, with a GET of 1 KiB that passes, user space".to_owned(),
            unit: "instructions",
            count: each(
                of(callgrind(log, None), &instructions, MANY),
                of(callgrind(log, None), &instructions, FEW),
            ),
            tolerance: 0.05,
        },
        Cost {
            name: "a new connection, with a GET of 1 KiB that passes, all but waits".to_owned(),
            unit: "system calls",
            count: each(of(strace(log), &others, MANY), of(strace(log), &others, FEW)),
            tolerance: 0.06,
        },
        Cost {
            name: "an idle connection".to_owned(),
            unit: "bytes",
            count: memory,
            tolerance: 0.25,
        },
        Cost {
            name: "the start: configuration, keys, sockets".to_owned(),
            unit: "instructions",
            count: of(callgrind(log, Some("main")), &instructions, 1),
            tolerance: 0.05,
        },
    ]
}

/// What an idle connection keeps, in bytes.
fn idle_memory(served: &Served) -> f64 {
    let (batch, pause) = IDLE;
    let mut clients = Vec::new();
    let mut grow = |batches| {
        for _ in 0..batches {
            for _ in 0..batch {
                let mut client = served.connect();
                SMALL.ask(&mut client);
                clients.push(client);
            }
            std::thread::sleep(pause);
        }
        memory(served)
    };
    // The first ones also bring what all share.
    let (before, after) = (grow(2), grow(IDLE_BATCHES));
    (after - before) / f64::from(IDLE_BATCHES * batch)
}

/// How much memory it has that is of no file, in bytes.
fn memory(served: &Served) -> f64 {
    let path = format!("/proc/{}/smaps_rollup", served.process);
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}
