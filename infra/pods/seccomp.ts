/** A stricter system call filter for pods, made from the one that an engine comes with. Pure. */

import { z } from 'zod';

const rule = z.looseObject({ names: z.array(z.string()), action: z.string() });

/** A profile as Podman and Docker keep it in `seccomp.json`; what is not named here is passed on as it is. */
const seccompProfile = z.looseObject({ defaultAction: z.string(), syscalls: z.array(rule) });

export type SeccompProfile = z.output<typeof seccompProfile>;
type Rule = z.output<typeof rule>;

const errno = { EPERM: 1, ENOSYS: 38 } as const;

const allow = (name: string, args: readonly object[]): Rule => ({ names: [name], action: 'SCMP_ACT_ALLOW', args });

const refuse = (names: readonly string[], reason: keyof typeof errno): Rule => ({
  names: [...names],
  action: 'SCMP_ACT_ERRNO',
  errno: reason,
  errnoRet: errno[reason],
});

/** Calls that no algorithm needs and that escapes from containers began with. */
const refusedCalls = [
  // namespaces, in which an algorithm would be root
  ...['unshare', 'setns'],
  ...['mount', 'umount', 'umount2', 'pivot_root', 'move_mount', 'mount_setattr'],
  ...['open_tree', 'open_tree_attr', 'fsopen', 'fsconfig', 'fsmount', 'fspick'],
  // keys are not divided by container
  ...['keyctl', 'add_key', 'request_key'],
  // other processes: the wrapper is one
  ...['ptrace', 'process_vm_readv', 'process_vm_writev', 'process_madvise', 'pidfd_getfd', 'kcmp'],
  // files by number, past every mount
  ...['name_to_handle_at', 'open_by_handle_at'],
  // parts of the kernel with a history
  ...['bpf', 'perf_event_open', 'userfaultfd', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'],
  ...['kexec_load', 'kexec_file_load', 'create_module', 'init_module', 'finit_module', 'delete_module', 'query_module'],
  // sockets behind a pointer that no filter can follow; 64-bit programs do not use it
  'socketcall',
];

/** All CLONE_NEW… flags that fit the call (clone3 and unshare alone know CLONE_NEWTIME). */
const namespaceFlags = 0x7e02_0000;

const flagsUnset = (index: number) => ({ index, value: namespaceFlags, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' });

/** Where the architecture puts the flags: s390 has them second. */
const cloneRules: readonly Rule[] = [
  { ...allow('clone', [flagsUnset(0)]), excludes: { arches: ['s390', 's390x'] } },
  { ...allow('clone', [flagsUnset(1)]), includes: { arches: ['s390', 's390x'] } },
];

/** Families that a network namespace holds back. AF_VSOCK is not among them: it leads to the host of a virtual machine. */
const socketFamilies = { unix: 1, inet: 2, inet6: 10, netlink: 16 } as const;

/** The kernel's audit, of NETLINK alone. */
const auditProtocol = 9;

const socketRules: readonly Rule[] = Object.values(socketFamilies).map((family) =>
  allow('socket', [
    { index: 0, value: family, valueTwo: 0, op: 'SCMP_CMP_EQ' },
    { index: 2, value: auditProtocol, valueTwo: 0, op: 'SCMP_CMP_NE' },
  ]),
);

const ownRules: readonly Rule[] = [
  refuse(refusedCalls, 'EPERM'),
  // its flags are behind a pointer; told that it does not exist, C libraries use clone
  refuse(['clone3'], 'ENOSYS'),
  ...cloneRules,
  ...socketRules,
];

const decided = new Set(ownRules.flatMap(({ names }) => names));

/**
 * The engine's profile without user namespaces, mounts, kernel keys, access to other processes, modules, and sockets
 * other than unix, IP and netlink. What a profile allowed under conditions, such as a capability, is refused as well.
 * Everything else stays as it was. Hardening twice changes nothing more.
 * @param profile parsed JSON of a `seccomp.json`, such as Podman's `/usr/share/containers/seccomp.json`
 * @throws Error if it is no such profile, or allows what it does not name
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp
 */
export const hardenSeccomp = (profile: unknown): SeccompProfile => {
  const parsed = seccompProfile.safeParse(profile);
  if (!parsed.success) throw new Error(`this is no seccomp profile: ${z.prettifyError(parsed.error)}`);
  const { defaultAction, syscalls } = parsed.data;
  if (!/^SCMP_ACT_(ERRNO|KILL)/.test(defaultAction)) {
    throw new Error(`a seccomp profile must refuse what it does not name; this one says ${defaultAction}`);
  }
  const kept = syscalls
    .map((each) => ({ ...each, names: each.names.filter((name) => !decided.has(name)) }))
    .filter(({ names }) => names.length > 0);
  return { ...parsed.data, syscalls: [...kept, ...ownRules] };
};
