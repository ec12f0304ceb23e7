//! How the worker shuts itself in: no file, no network, no program, no core dump.
//!
//! In two steps, because the models come from files and the inference library starts threads of its own:
//! [`prepare`] before anything is loaded, [`enter`] once it is, before the first key, template or picture
//! arrives. After [`enter`] two walls stand: landlock, which denies every file and TCP, and a seccomp
//! filter over all threads that allows the few calls inference needs and answers every other with EPERM.
//! A kernel that lacks one doesn't stop the worker; it tells, and somebody is told.

use crate::wire::worker::SandboxStatus;
use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::io;

/// The newest landlock this was written against; on older kernels the crate does what they can.
const LANDLOCK: ABI = ABI::V6;

/// Before loading: nothing of this process may land in a core dump or be read by a debugger, no file
/// can be written, no program started, no descriptor but 0, 1 and 2 be left over from whoever started
/// it. Files can still be read.
///
/// Landlock binds only the calling thread and those it starts, so this is the layer that holds for the
/// inference library's threads on kernels before 7.0; the filter of [`enter`] covers them in any case.
pub fn prepare() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // SAFETY: called first of all, so no descriptor above 2 has an owner in this process.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    // Best effort: `enter` reports what is missing.
    let _ = (|| -> Result<_, landlock::RulesetError> {
        let Ok(root) = PathFd::new("/") else { return Ok(()) };
        rules()?.create()?.add_rule(PathBeneath::new(root, read))?.restrict_self()?;
        Ok(())
    })();
    Ok(())
}

fn rules() -> Result<Ruleset, landlock::RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))
}

/// From here on the calling process opens nothing. Says how far that holds.
pub fn enter() -> SandboxStatus {
    SandboxStatus { landlock_abi: landlock().unwrap_or(0), seccomp: seccomp().is_ok() }
}

fn landlock() -> Result<u8, landlock::RulesetError> {
    let status = rules()?.create()?.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => 0,
        (_, LandlockStatus::Available { effective_abi, .. }) => effective_abi.min(LANDLOCK) as u8,
        _ => 0,
    })
}

fn seccomp() -> Result<(), Box<dyn Error>> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    // glibc starts threads by clone3, whose flags a filter can't see; told that there is no such call
    // it takes clone, whose flags it can.
    let no_clone3 = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_clone3, vec![])]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
        arch,
    )?;
    let allowed = SeccompFilter::new(
        allowed()?,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        arch,
    )?;
    // Both are compiled before either holds. After the second, the first could not be installed.
    let filters: [BpfProgram; 2] = [no_clone3.try_into()?, allowed.try_into()?];
    for filter in &filters {
        seccompiler::apply_filter_all_threads(filter)?;
    }
    Ok(())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// All the calls that memory, time, threads and the descriptors already held need.
fn allowed() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = [
        // descriptors it has
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_recvmsg,
        libc::SYS_sendmsg,
        libc::SYS_ppoll,
        libc::SYS_close,
        libc::SYS_fstat,
        // memory
        libc::SYS_brk,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        // time, randomness, what the machine is
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
        libc::SYS_sysinfo,
        libc::SYS_uname,
        libc::SYS_getcpu,
        // threads and signals
        libc::SYS_clone3,
        libc::SYS_futex,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_membarrier,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ]
    .into_iter()
    .map(|call| (call, vec![]))
    .collect();
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_poll, vec![]);

    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone, when(0, SeccompCmpOp::MaskedEq(thread), thread)?);
    // abort() signals itself; nobody else.
    rules.insert(libc::SYS_tgkill, when(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?);
    let name = libc::PR_SET_NAME as u64;
    rules.insert(libc::SYS_prctl, when(0, SeccompCmpOp::Eq, name)?);
    Ok(rules)
}

fn when(
    argument: u8,
    is: SeccompCmpOp,
    value: u64,
) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, value)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}
