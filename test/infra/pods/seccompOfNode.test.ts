import { nodeSeccomp, type NodeSeccompProfile } from '../../../infra/pods/seccompOfNode.ts';

const rule = (names: readonly string[], more: object = {}) => ({ names: [...names], action: 'SCMP_ACT_ALLOW', args: [], ...more });
const profile = (...syscalls: readonly object[]) => ({
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 38,
  defaultErrno: 'ENOSYS',
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls,
});

const actionsOf = ({ syscalls }: NodeSeccompProfile, name: string): readonly string[] =>
  syscalls.filter(({ names }) => names.includes(name)).map(({ action }) => action);

describe('nodeSeccomp', () => {
  // a container runtime overlooks conditions: what stays holds for every pod
  test.each<[string, object, readonly string[]]>([
    ['nothing', {}, ['SCMP_ACT_ALLOW']],
    ['a capability', { includes: { caps: ['CAP_SYS_TIME'] } }, []],
    ['the lack of a capability', { excludes: { caps: ['CAP_SYS_TIME'] } }, ['SCMP_ACT_ALLOW']],
    ['such processors', { includes: { arches: ['amd64', 'x32'] } }, ['SCMP_ACT_ALLOW']],
    ['other processors', { includes: { arches: ['arm64'] } }, []],
    ['no such processors', { excludes: { arches: ['amd64'] } }, []],
    ['no other processors', { excludes: { arches: ['s390x'] } }, ['SCMP_ACT_ALLOW']],
    ['such processors and a capability', { includes: { arches: ['amd64'], caps: ['CAP_SYS_TIME'] } }, []],
    ['null conditions', { includes: null, excludes: null, args: null }, ['SCMP_ACT_ALLOW']],
  ])('a rule that depends on %s', (_what, conditions, actions) => {
    expect(actionsOf(nodeSeccomp(profile(rule(['settimeofday'], conditions)), 'x64'), 'settimeofday')).toEqual(actions);
  });

  test('names the processors and their modes, and only words of the specification', () => {
    const { syscalls, ...rest } = nodeSeccomp(profile(rule(['read'], { comment: 'x', errnoRet: 5 })), 'x64');
    expect(rest).toEqual({
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    });
    expect(syscalls[0]).toEqual({ names: ['read'], action: 'SCMP_ACT_ALLOW', errnoRet: 5 });
    const words = new Set(syscalls.flatMap((each) => Object.keys(each)));
    expect([...words].filter((word) => !['names', 'action', 'args', 'errnoRet'].includes(word))).toEqual([]);
    expect(nodeSeccomp(profile(), 'arm64').architectures).toEqual(['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
  });

  test('is hardened: flags of clone where these processors have them, and no rings', () => {
    const hardened = nodeSeccomp(profile(rule(['clone', 'io_uring_setup', 'socket'])), 'x64');
    const clones = hardened.syscalls.filter(({ names }) => names.includes('clone'));
    expect(clones).toMatchObject([{ args: [{ index: 0, op: 'SCMP_CMP_MASKED_EQ' }] }]);
    expect(actionsOf(hardened, 'io_uring_setup')).toEqual(['SCMP_ACT_ERRNO']);
    const families = hardened.syscalls
      .filter(({ names, action }) => names.includes('socket') && action === 'SCMP_ACT_ALLOW')
      .map(({ args }) => (args?.[0] as { value: number }).value);
    expect(families.toSorted((one, other) => one - other)).toEqual([1, 2, 10, 16]);
  });

  test.each([[{}], [{ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [] }], [profile({ names: 'read', action: 'x' })]])(
    'refuses what is no profile, or none that can be hardened: %j',
    (wrong) => {
      expect(() => nodeSeccomp(wrong, 'x64')).toThrow(/profile/);
    },
  );
});
