//! What goes wrong in the world, and is well again: the network, the disk, the hub's process, its machine and its
//! clock.

use std::time::Duration;

use super::{Life, Step, plan};
use crate::sim::{clock, disk::DiskState, hub::Hub, net, process};

impl Life<'_> {
    pub(super) fn the_network_suffers(&mut self, step: Step) {
        self.world.note(&format!("{step:?}"));
        self.world.count("cuts");
        match step {
            Step::Reset => {
                let who = self.someone();
                let link = self.members[who].doing.borrow().link.clone();
                link.iter().for_each(net::Link::reset);
            }
            Step::ResetAll => net::reset_all(),
            Step::Stall => {
                let who = self.someone();
                let link = self.members[who].doing.borrow().link.clone();
                let one_way = self.chance.one_in(3);
                match link {
                    Some(link) if one_way => link.stall_to(net::Side::Client, true),
                    Some(link) => link.stall(true),
                    None => {}
                }
                self.cut_for = self.chance.size(1..=30);
            }
            Step::Partition => {
                net::partition(true);
                self.cut_for = self.chance.size(1..=20);
            }
            Step::Weather => {
                self.plan.weather = plan::weather(&mut self.chance);
                net::set_weather(self.plan.weather);
            }
            _ => {
                self.plan.pace = plan::pace(&mut self.chance);
                process::set_pace(self.plan.pace);
            }
        }
    }

    pub(super) fn network_heals(&mut self) {
        self.cut_for = 0;
        self.world.note("the network heals");
        net::partition(false);
    }

    pub(super) fn disk_fails(&mut self) {
        self.disk_state =
            *self.chance.pick(&[DiskState::Full, DiskState::Fails, DiskState::SyncFails]);
        self.ill_for = self.chance.size(1..=25);
        self.world.note(&format!("the disk: {:?}", self.disk_state));
        self.world.count("disk faults");
        self.world.with(|told| told.model.disk_fails());
        self.disk.set(self.disk_state);
    }

    pub(super) fn disk_heals(&mut self) {
        self.disk_state = DiskState::Well;
        self.world.note("the disk is well");
        self.disk.set(DiskState::Well);
    }

    pub(super) fn start_hub(&mut self) {
        let folder = self.plan.on_disk.then(|| self.disk.folder().to_owned());
        self.world.with(|told| told.hub += 1);
        match Hub::start(self.plan.config.clone(), folder.as_deref()) {
            Ok(hub) => {
                self.hub = Some(hub);
                self.world.note(&format!("hub {} begins", self.world.hub()));
                self.world.count("hubs");
            }
            Err(error) => {
                let error = format!("{error}");
                self.world.note(&format!("hub {} can't begin: {error}", self.world.hub()));
                self.down_for = self.chance.size(1..=10);
                if self.disk.has_died() {
                    let power = self.chance.one_in(2);
                    self.disk.come_back(power);
                } else if self.disk_state == DiskState::Well {
                    self.world
                        .with(|told| told.model.breaks(format!("a hub begins again: {error}")));
                }
            }
        }
    }

    /// The hub is killed; with `power` its machine is, too.
    pub(super) fn hub_dies(&mut self, power: bool) {
        let Some(hub) = self.hub.take() else { return };
        self.world.note(if power { "the power is cut" } else { "the hub is killed" });
        self.world.count(if power { "power cuts" } else { "kills" });
        self.disk.die();
        hub.kill();
        self.disk.come_back(power);
        self.disk.die_in(None);
        self.down_for = self.chance.size(1..=15);
        self.clock_may_jump();
    }

    pub(super) async fn hub_stops(&mut self) {
        let Some(hub) = self.hub.take() else { return };
        self.world.note("the hub is stopped");
        self.world.count("stops");
        hub.stop().await;
        self.world.note("the hub has stopped");
        // Even then it may have died.
        self.disk.die();
        self.disk.come_back(false);
        self.disk.die_in(None);
        self.down_for = self.chance.size(1..=15);
        self.clock_may_jump();
    }

    /// Between two lives of the hub somebody may set the clock.
    fn clock_may_jump(&mut self) {
        if self.chance.one_in(6) && self.plan.config.keep.age.is_none() {
            let now = clock::wall().duration_since(std::time::SystemTime::UNIX_EPOCH);
            let back = self.chance.time(Duration::ZERO..=Duration::from_hours(2));
            let then = now.unwrap_or_default().saturating_sub(back);
            self.world.note(&format!("the clock is set back by {back:?}"));
            clock::set(then);
        }
    }
}
