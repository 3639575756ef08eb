//! nginx and haproxy as packaged by Debian, with minimal configurations.

use std::{fs, io, path::Path, process::Command};

use crate::peers::{Addresses, BACKLOG};

/// Returns the version of an installed program.
pub(super) fn version(program: &str) -> io::Result<String> {
    let output = Command::new(program).arg("-v").output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    // "nginx version: nginx/1.22.1" and "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/".
    let words = text.split([' ', '/', '\n']);
    let mut numbers = words.filter(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    let number = numbers
        .next()
        .ok_or_else(|| io::Error::other("prints no version"))?;
    Ok(number.split('-').next().unwrap_or(number).to_owned())
}

pub(super) fn nginx(addresses: Addresses, folder: &Path) -> io::Result<Command> {
    let Addresses { h1, h2 } = addresses;
    let shown = folder.display();
    let configuration = format!(
        "daemon off;
pid {shown}/nginx.pid;
error_log stderr error;
worker_processes 2;
worker_rlimit_nofile 20000;
events {{ worker_connections 10000; }}
http {{
    access_log off;
    client_body_temp_path {shown}/body;
    proxy_temp_path {shown}/proxy;
    fastcgi_temp_path {shown}/fastcgi;
    uwsgi_temp_path {shown}/uwsgi;
    scgi_temp_path {shown}/scgi;
    server {{
        listen {h1} backlog={BACKLOG};
        listen {h2} http2 backlog={BACKLOG};
        location / {{ return 200 ok; }}
    }}
}}
"
    );
    let path = folder.join("nginx.conf");
    fs::write(&path, configuration)?;
    let mut command = Command::new("nginx");
    // Without `-e` nginx reports that it cannot write its default log.
    command
        .args(["-e", "stderr", "-p"])
        .arg(folder)
        .arg("-c")
        .arg(path);
    Ok(command)
}

pub(super) fn haproxy(addresses: Addresses, folder: &Path) -> io::Result<Command> {
    let configuration = format!(
        "global
    maxconn 9000
defaults
    mode http
    timeout client 30s
    timeout connect 5s
    timeout server 30s
frontend drain
    bind {} backlog {BACKLOG}
    http-request return status 200 content-type text/plain string ok
",
        addresses.h1
    );
    let path = folder.join("haproxy.cfg");
    fs::write(&path, configuration)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(path);
    Ok(command)
}
