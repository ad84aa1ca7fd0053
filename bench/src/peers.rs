//! The peers, each as its own manual would set it up for this work, on one core: nginx as the upstream and as a plain proxy,
//! squid and mitmproxy intercepting TLS. One that is not installed is named, and its rows are left out.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use bailiwick_testkit::{Flaw, TestCa};
use tempfile::TempDir;

use crate::product::{CLIENT_CORE, Daemon, PROXY_CORE, wait_until};

/// A peer that listens.
pub(crate) struct Peer {
    pub(crate) port: u16,
    _server: Daemon,
    _directory: Option<TempDir>,
}

/// The upstream of every contestant: one kilobyte over HTTP and HTTPS.
pub(crate) struct Origin {
    pub(crate) plain: u16,
    pub(crate) secure: u16,
    pub(crate) ca: PathBuf,
    _server: Daemon,
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn listening(port: u16) -> Result<()> {
    wait_until("a peer", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
}

impl Origin {
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        let ca = TestCa::new();
        let (chain, key) = ca.certificate(&["localhost", "127.0.0.1"], Flaw::None);
        let pem = |label: &str, der: &[u8]| {
            format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", base64_lines(der))
        };
        let chain: String = chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect();
        std::fs::write(directory.join("chain.pem"), chain)?;
        std::fs::write(directory.join("key.pem"), pem("PRIVATE KEY", key.secret_der()))?;
        let (plain, secure) = (free_port()?, free_port()?);
        let body = "x".repeat(1024);
        let base = directory.display();
        let servers = format!(
            "server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl; \
             ssl_certificate {base}/chain.pem; ssl_certificate_key {base}/key.pem; \
             location / {{ default_type text/plain; return 200 {body}; }} }}"
        );
        let server = nginx(directory, "origin", CLIENT_CORE, &servers)?;
        listening(plain)?;
        Ok(Self { plain, secure, ca: ca.write_pem(directory), _server: server })
    }

    pub(crate) fn http(&self) -> String {
        format!("http://localhost:{}/", self.plain)
    }

    pub(crate) fn https(&self) -> String {
        format!("https://localhost:{}/", self.secure)
    }
}

/// nginx as a plain reverse proxy with upstream keep-alive, without an access log.
pub(crate) fn nginx_proxy(directory: &Path, origin: &Origin) -> Result<Peer> {
    let port = free_port()?;
    let servers = format!(
        "upstream up {{ server 127.0.0.1:{}; keepalive 128; keepalive_requests 10000000; }} \
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://up; proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; proxy_set_header Host localhost:{}; }} }}",
        origin.plain, origin.plain
    );
    let server = nginx(directory, "proxy", PROXY_CORE, &servers)?;
    listening(port)?;
    Ok(Peer { port, _server: server, _directory: None })
}

fn nginx(directory: &Path, name: &str, core: &str, servers: &str) -> Result<Daemon> {
    let base = directory.display();
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid {base}/{name}.pid; error_log {base}/{name}.log; \
         events {{ worker_connections 8192; }} http {{ access_log off; keepalive_requests 10000000; \
         client_body_temp_path {base}/{name}-1; proxy_temp_path {base}/{name}-2; fastcgi_temp_path {base}/{name}-3; \
         uwsgi_temp_path {base}/{name}-4; scgi_temp_path {base}/{name}-5; {servers} }}"
    );
    let file = directory.join(format!("{name}.conf"));
    std::fs::write(&file, text)?;
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    Daemon::spawn(Command::new("taskset").args(["-c", core, program, "-c"]).arg(file))
}

/// An authority for a peer that intercepts: certificate and key in one PEM file, and the certificate alone.
fn interceptor(directory: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
    let (both, alone) =
        (directory.join(format!("{name}-ca.pem")), directory.join(format!("{name}-cert.pem")));
    let key = directory.join(format!("{name}-key.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]);
    openssl.args(["-subj", "/CN=example interceptor", "-keyout"]).arg(&key).arg("-out").arg(&alone);
    let status = openssl.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "openssl made no authority");
    std::fs::write(&both, std::fs::read_to_string(&key)? + &std::fs::read_to_string(&alone)?)?;
    Ok((both, alone))
}

/// squid with `ssl_bump`, nothing cached, no access log. Returns whom its clients must trust.
pub(crate) fn squid(origin: &Origin) -> Result<(Peer, PathBuf)> {
    let temporary = tempfile::Builder::new().prefix("bw-squid-").tempdir()?;
    let directory = temporary.path().to_owned();
    std::fs::copy(&origin.ca, directory.join("origin.pem"))?;
    let (both, alone) = interceptor(&directory, "squid")?;
    let helper = "/usr/lib/squid/security_file_certgen";
    let database = directory.join("certificates");
    let made = Command::new(helper)
        .args(["-c", "-s"])
        .arg(&database)
        .args(["-M", "4MB"])
        .stdout(Stdio::null())
        .status();
    ensure!(made.context("squid-openssl is not installed")?.success(), "squid made no certificate database");
    let port = free_port()?;
    let text = format!(
        "http_port 127.0.0.1:{port} ssl-bump tls-cert={both} generate-host-certificates=on \
         dynamic_cert_mem_cache_size=4MB\n\
         sslcrtd_program {helper} -s {database} -M 4MB\nsslcrtd_children 1\n\
         ssl_bump bump all\ntls_outgoing_options cafile={ca}\nhttp_access allow all\ncache deny all\n\
         access_log none\ncache_log {base}/cache.log\npid_filename {base}/squid.pid\nshutdown_lifetime 0 seconds\n\
         coredump_dir {base}\nworkers 1\n",
        both = both.display(),
        database = database.display(),
        ca = directory.join("origin.pem").display(),
        base = directory.display()
    );
    let file = directory.join("squid.conf");
    std::fs::write(&file, text)?;
    // Started by root it works as its own user, who must own what it writes.
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755))?;
    let _ = Command::new("chown").args(["-R", "proxy"]).arg(&directory).stderr(Stdio::null()).status();
    let mut command = Command::new("taskset");
    command.args(["-c", PROXY_CORE, "squid", "-n", &format!("bw{port}"), "-N", "-f"]).arg(file);
    let server = Daemon::spawn(&mut command)?;
    listening(port)?;
    Ok((Peer { port, _server: server, _directory: Some(temporary) }, alone))
}

/// mitmproxy's `mitmdump`, quiet. Returns whom its clients must trust.
pub(crate) fn mitmproxy(directory: &Path, origin: &Origin) -> Result<(Peer, PathBuf)> {
    let base = directory.join("mitm");
    std::fs::create_dir(&base)?;
    let program = std::env::var("MITMDUMP").unwrap_or_else(|_| "mitmdump".to_owned());
    let port = free_port()?;
    let mut command = Command::new("taskset");
    command.args(["-c", PROXY_CORE, &program, "-q", "--listen-host", "127.0.0.1", "-p", &port.to_string()]);
    command.arg("--set").arg(format!("confdir={}", base.display()));
    command.arg("--set").arg(format!("ssl_verify_upstream_trusted_ca={}", origin.ca.display()));
    let server = Daemon::spawn(&mut command)?;
    listening(port)?;
    Ok((Peer { port, _server: server, _directory: None }, base.join("mitmproxy-ca-cert.pem")))
}

fn base64_lines(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (index, chunk) in bytes.chunks(3).enumerate() {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let six = (word >> (18 - 6 * place)) & 63;
            text.push(if place > chunk.len() { '=' } else { char::from(ALPHABET[six as usize]) });
        }
        if index % 16 == 15 {
            text.push('\n');
        }
    }
    text + "\n"
}
