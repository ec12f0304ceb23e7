//! Alarms: said again until somebody acknowledges.

use super::stage_tests::{play, usual};

#[test]
fn an_alarm_repeats_until_somebody_acknowledges() {
    play(
        usual(),
        "at 0s opens -> siren on, AlarmRaised door-forced
         at 30s time -> AlarmRaised door-held
         at 180s time -> siren off
         at 300s time -> AlarmRepeated door-forced
         at 330s time -> AlarmRepeated door-held
         at 331s alarms -> door-forced, door-held
         at 400s closes -> AlarmCleared door-forced, AlarmCleared door-held
         at 401s alarms -> door-forced (cause gone), door-held (cause gone)
         # the cause is gone, but nobody has seen it
         at 600s time -> AlarmRepeated door-forced (cause gone)
         at 630s time -> AlarmRepeated door-held (cause gone)
         at 700s guard acknowledges -> AlarmAcknowledged door-forced, AlarmAcknowledged door-held
         at 701s alarms
         at 1h nothing",
    );
}

#[test]
fn acknowledging_silences_the_siren_and_the_cause_ends_it() {
    play(
        usual(),
        "at 0s opens -> siren on, AlarmRaised door-forced
         at 10s guard acknowledges -> siren off, AlarmAcknowledged door-forced
         at 11s guard acknowledges
         at 30s time -> AlarmRaised door-held
         at 31s guard acknowledges -> AlarmAcknowledged door-held
         # seen, and not over
         at 32s alarms -> door-forced (seen), door-held (seen)
         at 40s closes -> AlarmCleared door-forced, AlarmCleared door-held
         at 41s alarms
         at 50s opens -> siren on, AlarmRaised door-forced",
    );
}

#[test]
fn an_alarm_outlives_a_restart() {
    play(
        usual(),
        "at 0s opens -> siren on, AlarmRaised door-forced
         # and so does the siren, whose time begins anew
         at 10s restart -> lock, siren on
         at 20s closes -> AlarmCleared door-forced
         at 190s time -> siren off
         at 310s time -> AlarmRepeated door-forced (cause gone)
         at 400s guard acknowledges -> AlarmAcknowledged door-forced
         at 500s restart -> lock, siren off
         at 1h nothing",
    );
}

#[test]
fn a_line_that_is_well_again_after_a_restart_ends_its_alarm() {
    play(
        usual(),
        "at 0s contact cut -> LineChanged contact cut, AlarmRaised line-fault
         at 1s exit short -> LineChanged rex short
         at 2s contact normal -> LineChanged contact normal
         at 3s restart -> lock, siren off
         at 4s exit normal -> AlarmCleared line-fault",
    );
}

#[test]
fn the_gates_own_lines() {
    play(
        usual(),
        "at 0s mains lost -> LineChanged mains active, AlarmRaised mains
         at 1s battery low -> LineChanged battery active, AlarmRaised battery
         at 2s mains back -> LineChanged mains normal, AlarmCleared mains
         at 3s battery fine -> LineChanged battery normal, AlarmCleared battery
         at 4s guard acknowledges -> AlarmAcknowledged mains, AlarmAcknowledged battery
         at 5s call active -> LineChanged call-guard active, AlarmRaised call-guard
         at 6s call normal -> LineChanged call-guard normal, AlarmCleared call-guard
         at 7s guard acknowledges -> AlarmAcknowledged call-guard
         at 8s box open -> siren on, LineChanged enclosure active, AlarmRaised enclosure
         at 9s box cut -> LineChanged enclosure cut, AlarmRaised line-fault
         at 10s mains short -> LineChanged mains short
         at 11s box closed -> LineChanged enclosure normal, AlarmCleared enclosure
         at 12s mains back -> LineChanged mains normal, AlarmCleared line-fault",
    );
}

#[test]
fn an_alarm_found_outside_is_repeated_like_the_others() {
    play(
        usual(),
        "at 0s tamper on -> siren on, AlarmRaised tamper
         at 1s tamper on
         at 180s time -> siren off
         at 300s time -> AlarmRepeated tamper
         at 301s tamper off -> AlarmCleared tamper
         at 302s guard acknowledges -> AlarmAcknowledged tamper",
    );
}
