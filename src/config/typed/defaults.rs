//! Every default, section by section: what a key means that is left out.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::account::MfaPolicy;
use crate::factor::{Method, MethodSet};

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            portal: Portal::default(),
            session: Session::default(),
            password: Password::default(),
            breached: Breached::default(),
            mfa: Mfa::default(),
            mail: None,
            sms: None,
            limits: Limits::default(),
            store: StoreUrl::Sled("data/store".into()),
            snapshot_every: minutes(15),
            max_stale: minutes(5),
            sessions_in_memory: 100_000,
            audit: Audit { retention: minutes(400 * 24 * 60), file: None },
            telemetry: Telemetry { otlp: None, headers: Vec::new(), sample_ratio: 1.0 },
            acme: None,
            admin: Admin { groups: vec!["admins".into()], max_age: minutes(15) },
            tokens: Tokens { max_lifetime: minutes(366 * 24 * 60) },
            directories: Vec::new(),
            geo: None,
            forward_auth: None,
            routes: Vec::new(),
            expect: Vec::new(),
            providers: Vec::new(),
            fingerprint: String::new(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            data_dir: "data".into(),
            threads: None,
            admin_listen: None,
            trusted_proxies: Vec::new(),
            tls: Vec::new(),
            client_certificate_header: false,
            redirect_to_https: true,
            reload_on_change: false,
        }
    }
}

impl Default for Portal {
    fn default() -> Self {
        Self {
            prefix: "/.vestibule".into(),
            url: None,
            title: "Sign in".into(),
            templates: None,
            change_contact: true,
            hsts: true,
            brand: Arc::default(),
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self {
            cookie: "vestibule".into(),
            domain: None,
            lifetime: minutes(720),
            idle_timeout: minutes(60),
            guest_lifetime: minutes(480),
            device_bound: None,
        }
    }
}

impl Default for Password {
    fn default() -> Self {
        Self { memory_kib: 19456, iterations: 2, parallelism: 1, min_length: 12 }
    }
}

impl Default for Mfa {
    fn default() -> Self {
        Self {
            policy: MfaPolicy::Optional,
            methods: Method::ENROLLABLE.into_iter().collect::<MethodSet>().without(Method::External),
            first_enrolment: FirstEnrolment::Verified,
            trusted_device: Duration::ZERO,
            grace: None,
            otp: Otp::default(),
            totp: Totp::default(),
            rp_id: None,
            vouching: Vec::new(),
        }
    }
}

impl Default for Otp {
    fn default() -> Self {
        Self { digits: 6, lifetime: minutes(5), resend_after: Duration::from_secs(30), max_attempts: 5, max_sends: 5 }
    }
}

impl Default for Totp {
    fn default() -> Self {
        Self { issuer: "Vestibule".into(), digits: 6, period: Duration::from_secs(30), skew: 1 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            login_per_ip: Rate { count: 60, per: minutes(1) },
            login_per_account: Rate { count: 20, per: minutes(1) },
            lockout_after: 10,
            lockout: minutes(15),
            max_hashes: 2,
            header_timeout: Duration::from_secs(10),
            write_timeout: minutes(1),
            idle_timeout: minutes(1),
            connections: 10_000,
            connections_per_ip: 1_000,
        }
    }
}
