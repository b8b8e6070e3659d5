//! The dashboard and the alerts of exactly-once flows, against a real Prometheus that scrapes the services while they are
//! restarted: every query answers. What is true of all dashboards is tested where message search tests its own.

use tempfile::TempDir;
use thalweg_testbed::instance::until;
use thalweg_testbed::recipe;
use ticketing_provider::Conduct;

use crate::client::User;
use crate::queries::asked::Asked;
use crate::queries::dashboards::{self, EXACTLY_ONCE};
use crate::queries::prometheus::Prometheus;
use crate::scene::Scene;

/// Metrics that stay at 0 in the run here.
const QUIET: [&str; 9] = [
    "thalweg_command_hang_ups_total",
    "thalweg_command_timeouts_total",
    // For a moment, which a scrape may miss.
    "thalweg_commands_waiting",
    "thalweg_commits_failed_total",
    "thalweg_restore_left_records",
    "thalweg_snapshots_failed_total",
    "thalweg_snapshots_refused_total",
    "thalweg_view_lag_records",
    // Nobody else writes into views.
    "thalweg_view_undecodable_total",
];

#[test]
fn every_query_about_exactly_once_flows_answers_while_services_are_restarted() {
    let scene = Scene::new("dashboard", Conduct::default());
    let target = format!("127.0.0.1:{}", recipe::free_ports(1).unwrap()[0]);
    let prometheus = Prometheus::scraping(&target);
    let seen = |what: &str| until(&format!("Prometheus sees {what}"), || prometheus.holds(what));
    let folder = TempDir::new().unwrap();
    let listen = format!("engine.admin_listen={target}");
    let keep = format!("state.snapshot_folder={}", folder.path().display());
    // The provider has charged at once, or not at all: so nobody needs to wait for what was asked of it before a restart.
    let provider = ["payments.provider.settle_ms=100", "payments.provider.request_timeout_ms=2000"];
    let plain = [listen.as_str(), "orders.expire_after_ms=2000", provider[0], provider[1]];
    let with_snapshots = [&plain[..], &[&keep, "state.snapshot_interval_ms=200"]].concat();
    // Its changelogs are read whole, and then there are snapshots.
    for (settings, what) in [
        (&plain[..], "sum(thalweg_timers_fired_total) > 0"),
        (
            &with_snapshots[..],
            "sum(thalweg_restored_records_total) > 0 and sum(thalweg_snapshots_written_total) > 1",
        ),
        (&with_snapshots[..], "sum(thalweg_restores_from_snapshot_total) > 0"),
    ] {
        let (all, addresses) = scene.start_all(settings);
        let [ann, bob] = ["ann", "bob"].map(|name| User::new(name, &addresses));
        let (paid, left) = (ann.sell("opera", 10), ann.sell("ballet", 20));
        let order = bob.order_soon(&paid);
        assert_eq!(bob.pay_soon(&order, "visa").status, 201);
        let forgotten = bob.order_soon(&left);
        seen("max(max_over_time(thalweg_state_timers[1h])) > 0");
        scene.wait_status(&order, "complete");
        scene.wait_status(&forgotten, "cancelled");
        seen(what);
        assert_eq!(all.stop().code, 0);
    }
    let rules = prometheus.rules("thalweg-exactly-once");
    assert!(rules.len() > 2, "{} rules", rules.len());
    let dashboards: Vec<_> =
        dashboards::all().into_iter().filter(|dashboard| dashboard.file == EXACTLY_ONCE).collect();
    let asked = Asked::by(&rules, &dashboards);
    assert!(asked.queries.len() > 25, "only {} queries", asked.queries.len());
    let wrong = asked.wrong(&prometheus, &QUIET);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
