//! The keys of the texts. A language's file has exactly these; see `templates/words/`.

use serde::Deserialize;

/// Declares the sections and their keys: a struct each, with the keys themselves as a text of last resort.
macro_rules! words {
    ($($section:ident: $type:ident { $($key:ident),+ $(,)? })+) => {
        /// The texts of one language.
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Words {
            $(pub $section: $type,)+
        }

        $(
            #[doc = concat!("The texts of the section `", stringify!($section), "`.")]
            #[derive(Clone, Debug, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $type {
                $(pub $key: String,)+
            }
        )+

        impl Words {
            /// Every text is its own key.
            pub(in crate::view) fn keys() -> Self {
                Self { $($section: $type { $($key: concat!(stringify!($section), ".", stringify!($key)).to_owned(),)+ },)+ }
            }

            /// Puts another text in the place of one; an unknown key changes nothing.
            pub(in crate::view) fn set(&mut self, key: &str, text: &str) {
                match key {
                    $($(concat!(stringify!($section), ".", stringify!($key)) => text.clone_into(&mut self.$section.$key),)+)+
                    _ => {}
                }
            }

            /// Every key with its text, in the order of the declaration.
            pub fn pairs(&self) -> Vec<(&'static str, &str)> {
                vec![$($((concat!(stringify!($section), ".", stringify!($key)), self.$section.$key.as_str()),)+)+]
            }
        }
    };
}

words! {
    meta: Meta {
        lang, dir,
    }
    common: Common {
        sign_in_to, step, proceed, cancel, back, code, verify, save, remove, rename, show_password, hide_password, show, hide, not_you,
        start_over, help, another_way, never, name, reference, skip, working, language,
    }
    span: Span {
        second, seconds, minute, minutes, hour, hours, day, days,
    }
    method: Method {
        totp, webauthn, email, sms, recovery, external, external_about, totp_about, webauthn_about, email_about, sms_about, totp_detail, recommended, last_used,
    }
    login: Login {
        heading, lead, confirm_heading, confirm_lead, username, password, passkey, forgot, or,
        guest_lead, guest_button, invite_heading, invite_lead,
    }
    mfa: Mfa {
        choose_heading, choose_lead, none_at_hand, use_recovery, totp_heading, totp_lead, email_heading, sms_heading, sent_to, send_lead,
        send, valid_for, expired, resend, resend_in, recovery_heading, recovery_lead, recovery_label, webauthn_heading, webauthn_lead,
        webauthn_start, webauthn_no_script, webauthn_unsupported, webauthn_failed, trust, trust_hint, why_second, why_factors, why_age,
    }
    enrol: Enrol {
        heading, lead, lead_required, lead_route, lead_route_factors, nothing, nothing_for_route, set_up, verify_heading, verify_lead_email, verify_lead_sms, ask_for_link,
        totp_heading,
        totp_scan, totp_qr, totp_key, totp_open, totp_confirm, totp_name, totp_name_example, confirm, webauthn_heading, webauthn_lead,
        webauthn_name, webauthn_name_example, webauthn_start, email_heading, sms_heading, codes_heading, codes_lead, codes_again,
        codes_list, copy, copied, download, print, codes_saved, codes_after, grace_heading, grace_lead, grace_now, grace_later,
    }
    account: Account {
        heading, nav, profile, username, display_name, email, phone, groups, methods, methods_lead, methods_none, added, last_used, add,
        remove_last, recovery, recovery_left, recovery_low, recovery_out, recovery_none, recovery_new, recovery_new_hint, password, password_changed,
        password_change, sessions, session_this, last_seen, since, end, end_of, end_others, end_others_ask, browsers, browsers_lead, browsers_none, trusted_until,
        revoke, revoke_of, revoke_all, revoke_all_ask, sign_out, to_admin, remove_heading, remove_lead, remove_lead_last, remove_lead_session,
        device, device_other, device_none,
    }
    tokens: Tokens {
        heading, lead, none, new, name, name_example, days, days_hint, routes, routes_hint, methods, methods_hint, networks,
        networks_hint, create, made_heading, made_lead, made_use, done, expires, every_route, revoke, revoke_ask, revoked, bad_name, bad_days,
        bad_method, bad_network, bad_route, too_many, changed,
    }
    applications: Applications {
        nav, heading, lead, none, username, password, store, application, nothing, forget, stored, refused_tag, saved, forgotten,
        bad, gone, missing_heading, missing_text, refused_heading, refused_text, go,
    }
    contact: Contact {
        change, email_heading, sms_heading, lead, email_label, sms_label, sms_hint, until, bad_email, bad_phone, taken, no_second,
    }
    password: Password {
        setup_heading, setup_lead, setup_button, new, current, hint, change_heading, change_lead, reset_heading, reset_lead, reset_button,
        reset_sent_heading, reset_sent_lead, reset_sent_hint, reset_set_heading, reset_set_lead, to_login, link_new, link_heading,
        expired_heading, expired_lead, expired_button,
    }
    logout: Logout {
        heading, lead, button, stay, done_heading, done_lead, again,
    }
    note: Note {
        login_wrong, code_wrong, code_wrong_left, code_used, code_expired, code_void, code_missing, sends_used_up, send_wait, send_failed,
        sent, throttled, recovery_wrong, webauthn_wrong, webauthn_known, totp_taken, password_wrong, password_short, password_common,
        password_long, password_same, link_gone, name_missing, flow_gone, method_removed, methods_removed_n, method_removed_again, method_added, renamed, password_set, password_changed, contact_changed,
        sessions_ended, sessions_ended_n, browsers_revoked, saved, enrolled, form_saved, recovery_used, required_method,
        password_refused, password_refused_why,
    }
    problem: Problem {
        malformed_heading, malformed_text, denied_heading, denied_text, group_heading, group_text, groups_heading, groups_text, mfa_off_heading, mfa_off_text,
        csrf_heading, csrf_text, scheme_hint, not_found_heading, not_found_text, too_large_heading, too_large_text, misdirected_heading,
        misdirected_text, throttled_heading, throttled_text, throttled_over, throttled_left, internal_heading, internal_text, bad_gateway_heading, bad_gateway_text,
        credentials_heading, credentials_text,
        unavailable_heading, unavailable_text, end_pending_heading, end_pending_text, timeout_heading, timeout_text, not_sent_heading,
        not_sent_text, not_sent_hint, framed_heading, retry, home, other_account,
        source_away_heading, source_away_text, closed_heading, closed_disabled, closed_expired, closed_hours, closed_group, closed_password,
        managed_heading, managed_text, ticket_heading, ticket_text,
        device_heading, device_text, device_check_heading, device_check_text, device_wait_heading, device_wait_text, device_busy_heading, device_busy_text, busy_heading, busy_text,
        certificate_heading, certificate_text, certificate_expired, certificate_revoked, certificate_unknown, certificate_unchecked,
    }
    resume: Resume {
        heading, lead, to, fields, more, file, empty, send, discard,
    }
    provider: Provider {
        with, error_heading, away, stale, denied, interaction, refused, clock, not_linked, name, closed, groups, no_second, somebody_else,
        taken, sign_in_there, again, other, links, links_lead, link, link_button, unlink, subject, subject_hint, factor_heading, factor_lead, link_heading, link_lead,
    }
    admin: Admin {
        heading, nav, overview, users, sessions, audit, to_account, search, find_user, find, clear, new_user, page, previous, next,
        none_found, total, user, status, group, with_factor, without_factor, export_csv, export_json, active, disabled, locked, locked_until, last_sign_in, created, policy, policy_inherit,
        policy_off, policy_optional, policy_required, policy_short_inherit, policy_short_off, policy_short_optional,
        policy_short_required, allowed, allowed_server, set_up_for, set_up_email, set_up_sms, totp_uri, provision, reset_method, reset_ask,
        reset_all, reset_all_hint, recovery_print, access, disable, disable_ask, enable, unlock, setup_link, setup_link_lead, end_sessions, end_sessions_ask, delete,
        delete_lead, delete_confirm, display_name, groups_hint, create, created_note, address, browser, started, last_seen, method,
        password_only, time, event, outcome, detail, since, until, any, ok, failed, chain_whole, chain_broken, sign_ins, failures,
        kind, kind_service, certificate, certificate_fingerprint, certificate_expires, active_sessions, enrolled_users, locked_users, over_time, in_use, progress, progress_lead, route, of, as_table, period, recent,
        older, newer, bounded, verify, missing, observed, observed_lead, reason, count,
        gateways, gateways_differ, gateway, version, configuration, last_heard, silent, this_gateway, reached, unreached,
        not_yourself, mail_link, create_mail, link_mailed, confirm_wrong, codes_lead, name_reserved, form_unread, source, source_lead, source_closed,
        devices, devices_lead, device_share, device_refused, device_nobody,
        period_day, period_week, period_month, zone, must_change, bulk, bulk_pick, bulk_pick_page, bulk_picked, bulk_all, bulk_none, bulk_require_password, bulk_require_password_lead,
        bulk_end_sessions_lead, bulk_disable, bulk_disable_lead, bulk_enable, bulk_enable_lead, bulk_reset_lead, bulk_unlock_lead,
        bulk_count, bulk_nobody, bulk_more, bulk_left_out, bulk_yourself, bulk_no_password, bulk_already, bulk_done,
        bulk_changed, bulk_gone, bulk_failed, bulk_back,
    }
    fault: Fault {
        unknown, service, login_taken, factor_taken, bad_name, bad_email, bad_phone, bad_group, bad_display_name, uri_malformed,
        uri_short, uri_range, already_enrolled, no_phone, not_for_others, no_methods, managed,
        link_provider, link_subject, link_there, link_taken, link_none,
    }
    event: Event {
        password_right, password_wrong, second_factor_wrong, sign_in_finished, step_up_finished, sign_out, account_locked, code_sent, enrolment_vouched, factor_added, factor_removed, factor_renamed, recovery_used, recovery_renewed, password_changed, link_made, link_used, session_revoked, session_renewed, browser_forgotten, token_made, token_revoked, token_wrong, account_added, account_changed, account_deleted, keys_rotated, store_exported, store_imported, policy_reloaded, policy_refused, audit_trimmed, failures_counted, provider_linked, provider_refused, provider_signed_out, provider_unlinked,
        device_bound, device_missing, device_wrong_key,
    }
}
