//! A platform for whose newest TCB Intel has no certificate yet. Intel's own service fails at it in REQ.

use std::sync::Arc;

use hyper::Method;
use serde_json::Value;
use tdattest_pccs::store::Store;
use tdattest_pccs::store::memory::Memory;
use tdattest_pccs::{FillMode, Pccs};
use tdattest_simulator::pcs_server::{Request, api};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::cases::{
    CPU_SVN, client, header, judge, pckcert, platform, registration, request, settings, start,
    with_header, with_json,
};

const QE: &str = "0123456789abcdef0123456789abcdef";

/// A PCS that has no certificate for the highest TCB.
async fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream));
        }
    });
    url
}

async fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap() == 0 {
            return;
        }
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let mut answer = api::answer(&platform(), start(), &Request::get(path));
    if path.contains("/pckcerts?") {
        let mut entries: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
        entries[0]["cert"] = "Not available".into();
        answer.body = serde_json::to_vec(&entries).unwrap();
    }
    let mut text = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n", answer.body.len());
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.write_all(&answer.body).await.unwrap();
}

async fn service(mode: FillMode) -> (Pccs, Memory) {
    let store = Memory::new();
    let kept: Arc<dyn Store> = Arc::new(store.clone());
    let upstream = Some(Arc::new(client(&upstream().await)));
    (Pccs::new(settings(mode), kept, upstream, judge(), Arc::new(start)), store)
}

#[tokio::test]
async fn the_best_of_the_rest_is_served_and_not_remembered() {
    let (pccs, store) = service(FillMode::Lazy).await;
    let served = pccs.answer(request(Method::GET, &pckcert(QE, CPU_SVN, "0b00"))).await;
    assert_eq!(served.status, 200);
    assert_eq!(header(&served, "sgx-tcbm"), Some("060602020301000300000000000000000B00"));
    let kept = store.platforms(&[]).await.unwrap();
    assert_eq!((kept.len(), kept[0].1.len()), (1, 0));
}

#[tokio::test]
async fn what_is_not_available_waits_in_a_queue_of_its_own_in_req() {
    let (pccs, _) = service(FillMode::Req).await;
    let post = request(Method::POST, "/sgx/certification/v4/platforms");
    let post = with_json(with_header(post, "user-token", "usertok"), registration(QE));
    assert_eq!(pccs.answer(post).await.status, 200);

    let list = async |source: &str| {
        let path = format!("/sgx/certification/v4/platforms?source={source}");
        let asked = with_header(request(Method::GET, &path), "admin-token", "admintok");
        let listed = pccs.answer(asked).await;
        serde_json::from_slice::<Vec<Value>>(&listed.body).unwrap()
    };
    assert!(list("reg").await.is_empty());
    let waiting = list("reg_na").await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0]["cpu_svn"], CPU_SVN);
    assert_eq!(waiting[0]["pce_svn"], "0B00");
    assert!(list("reg_na").await.is_empty());
}
