import fc from 'fast-check';
import { hardenSeccomp, type SeccompProfile } from '../../../infra/pods/seccomp.ts';

const rule = (names: readonly string[], more: object = {}) => ({ names: [...names], action: 'SCMP_ACT_ALLOW', args: [], ...more });
const aProfile = (...syscalls: readonly object[]) => ({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 38, archMap: [], syscalls });

const allowing = ({ syscalls }: SeccompProfile, name: string) =>
  syscalls.filter(({ names, action }) => action === 'SCMP_ACT_ALLOW' && names.includes(name));
const refusing = ({ syscalls }: SeccompProfile, name: string) =>
  syscalls.filter(({ names, action }) => action === 'SCMP_ACT_ERRNO' && names.includes(name));

describe('hardenSeccomp', () => {
  test.each([
    ...['unshare', 'setns', 'mount', 'umount', 'umount2', 'move_mount', 'open_tree', 'fsopen', 'fsconfig', 'fsmount', 'fspick'],
    ...['mount_setattr', 'pivot_root', 'keyctl', 'add_key', 'request_key', 'ptrace', 'process_vm_readv', 'process_vm_writev'],
    ...['userfaultfd', 'bpf', 'perf_event_open', 'kexec_load', 'kexec_file_load', 'init_module', 'finit_module', 'delete_module'],
    ...['io_uring_setup', 'io_uring_enter', 'io_uring_register', 'open_by_handle_at', 'name_to_handle_at', 'pidfd_getfd', 'socketcall'],
  ])('refuses %s, also where the profile allows it to the privileged', (name) => {
    const hardened = hardenSeccomp(aProfile(rule(['read', name]), rule([name], { includes: { caps: ['CAP_SYS_ADMIN'] } })));
    expect(allowing(hardened, name)).toEqual([]);
    expect(refusing(hardened, name)).toMatchObject([{ errnoRet: 1 }]);
    expect(allowing(hardened, 'read')).toHaveLength(1);
  });

  test('answers clone3 as a kernel without it, so that C libraries use clone', () => {
    const hardened = hardenSeccomp(aProfile(rule(['clone', 'clone3'])));
    expect(allowing(hardened, 'clone3')).toEqual([]);
    expect(refusing(hardened, 'clone3')).toMatchObject([{ errnoRet: 38 }]);
  });

  // flags from linux/sched.h
  test.each<[string, number, boolean]>([
    ['a process', 0x11, true],
    ['a process that shares memory until it executes (CLONE_VM, CLONE_VFORK)', 0x4111, true],
    ['a thread, as C libraries make it', 0x3d_0f00, true],
    ['a mount namespace', 0x2_0011, false],
    ['a control group namespace', 0x200_0011, false],
    ['a UTS namespace', 0x400_0011, false],
    ['an IPC namespace', 0x800_0011, false],
    ['a user namespace', 0x1000_0011, false],
    ['a PID namespace', 0x2000_0011, false],
    ['a network namespace', 0x4000_0011, false],
  ])('clone of %s (%i) is allowed: %s', (_title, flags, isAllowed) => {
    const rules = allowing(hardenSeccomp(aProfile(rule(['clone']))), 'clone');
    expect(rules).toHaveLength(2);
    for (const { args } of rules) {
      const [{ op, value, valueTwo }] = args as [{ op: string; value: number; valueTwo: number }];
      expect(op).toBe('SCMP_CMP_MASKED_EQ');
      expect((flags & value) === valueTwo).toBe(isAllowed);
    }
  });

  test('looks for the flags of clone where the architecture has them, on each in one place only', () => {
    const s390 = ['s390', 's390x'];
    expect(allowing(hardenSeccomp(aProfile()), 'clone')).toMatchObject([
      { args: [{ index: 0 }], excludes: { arches: s390 } },
      { args: [{ index: 1 }], includes: { arches: s390 } },
    ]);
  });

  test('leaves unix, IP and netlink sockets, and no family that passes a network namespace', () => {
    const rules = allowing(hardenSeccomp(aProfile(rule(['socket']))), 'socket') as unknown as { args: { value: number; op: string }[] }[];
    expect(rules.map(({ args }) => args[0])).toMatchObject([1, 2, 10, 16].map((value) => ({ index: 0, value, op: 'SCMP_CMP_EQ' })));
    expect(rules.every(({ args }) => args[1]?.op === 'SCMP_CMP_NE' && args[1].value === 9)).toBe(true);
  });

  test('keeps everything that it does not decide, conditions and all', () => {
    const personality = rule(['personality'], { args: [{ index: 0, value: 8, valueTwo: 0, op: 'SCMP_CMP_EQ' }] });
    const chroot = rule(['chroot'], { includes: { caps: ['CAP_SYS_CHROOT'] }, comment: 'as it was' });
    const hardened = hardenSeccomp(aProfile(personality, chroot, rule(['mount'])));
    expect(hardened).toMatchObject({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 38, archMap: [] });
    expect(hardened.syscalls.slice(0, 2)).toEqual([personality, chroot]);
    expect(hardened.syscalls.every(({ names }) => names.length > 0)).toBe(true);
  });

  test('changes neither its argument nor, a second time, its result', () => {
    const profile = aProfile(rule(['read', 'mount', 'clone', 'clone3', 'socket']));
    const before = structuredClone(profile);
    const hardened = hardenSeccomp(profile);
    expect(profile).toEqual(before);
    expect(hardenSeccomp(hardened)).toEqual(hardened);
  });

  test.each([
    ['nothing', undefined],
    ['text', '{}'],
    ['an object of another kind', {}],
    ['calls without names', aProfile({ action: 'SCMP_ACT_ALLOW' })],
  ])('does not take %s for a profile', (_title, profile) => {
    expect(() => hardenSeccomp(profile)).toThrow(/no seccomp profile/);
  });

  test.each(['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE'])('does not build on a profile whose default is %s', (defaultAction) => {
    expect(() => hardenSeccomp({ ...aProfile(), defaultAction })).toThrow(/must refuse/);
  });

  test('whatever a profile allows, the result allows no more', () => {
    const names = fc.array(fc.constantFrom('read', 'mount', 'clone3', 'ptrace', 'unshare', 'futex', 'bpf'));
    const action = fc.constantFrom('SCMP_ACT_ALLOW', 'SCMP_ACT_ERRNO', 'SCMP_ACT_LOG', 'SCMP_ACT_NOTIFY');
    fc.assert(
      fc.property(fc.array(fc.record({ names, action })), (syscalls) => {
        const hardened = hardenSeccomp(aProfile(...syscalls));
        for (const name of ['mount', 'clone3', 'ptrace', 'unshare', 'bpf']) {
          expect(hardened.syscalls.filter((each) => each.names.includes(name)).map((each) => each.action)).toEqual(['SCMP_ACT_ERRNO']);
        }
        for (const name of ['read', 'futex']) {
          const of = (list: readonly { names: string[]; action: string }[]) => list.filter((each) => each.names.includes(name)).length;
          expect(of(hardened.syscalls)).toBe(of(syscalls));
        }
      }),
    );
  });
});
