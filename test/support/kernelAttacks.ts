/**
 * System calls that no algorithm may make. Node and busybox make none of them, so each attempt is a program of a few
 * instructions that makes one call and tells the kernel's answer as its exit code. Arguments are such that a kernel which
 * gets as far as looking at them does nothing: a complaint about them is as good as a success.
 */

/** number on x86-64, arguments */
type Call = readonly [number: number, ...args: readonly number[]];

const newUser = 0x1000_0000;
const newMounts = 0x2_0000;
const newNetwork = 0x4000_0000;

const calls: Readonly<Record<string, Call>> = {
  // family, kind, protocol
  'opens a raw socket': [41, 2, 3, 1],
  'opens a raw socket for SCTP': [41, 2, 3, 132],
  'opens a packet socket': [41, 17, 3, 0],
  // to the host of a virtual machine, past every policy
  'opens a socket to the hypervisor': [41, 40, 1, 0],
  'opens a socket of the crypto engine': [41, 38, 5, 0],
  'sets up a ring of calls past the filter': [425, 1, 0],
  'traces the wrapper': [101, 0x4206, 1, 0, 0],
  'compares itself with the wrapper': [312, 1, 1, 0, 0, 0],
  'takes a user namespace': [272, newUser],
  'takes a mount namespace': [272, newMounts],
  'takes a network namespace': [272, newNetwork],
  'joins a namespace': [308, -1, 0],
  'calls mount': [165, 0, 0, 0, 0, 0],
  'calls umount': [166, 0, 0],
  'opens a tree of mounts': [428, -1, 0, 0],
  'opens a file system': [430, 0, 0],
  'moves the root': [155, 0, 0],
  'changes its root': [161, 0],
  'opens a file by its handle': [304, -1, 0, 0],
  'loads a program into the kernel': [321, 5, 0, 0],
  'measures other processes': [298, 0, -1, 0, -1, 0],
  'adds a key to a keyring': [248, 0, 0, 0, 0, -3],
  'handles page faults of the kernel': [323, 0],
  'sets the clock': [227, 0, 0],
  'reads the log of the kernel': [103, 10, 0, 0],
  'swaps to a file': [167, 0, 0],
  'becomes root': [105, 0],
  'joins the group of root': [106, 0],
};

/** `calls(number, …)` returns true unless the kernel refuses the call as such. */
export const kernelPrelude = `
const calls = (...numbers) => {
  if (process.arch !== 'x64') throw new Untried('the system calls are those of x86-64');
  const registers = ['48b8', '48bf', '48be', '48ba', '49ba', '49b8', '49b9'];
  const load = registers.map((code, n) => {
    const value = Buffer.alloc(8);
    value.writeBigInt64LE(BigInt(numbers[n] ?? 0));
    return code + value.toString('hex');
  });
  // make the call, then leave with its negated result
  const code = Buffer.from(load.join('') + '0f05' + '89c7' + 'f7df' + 'b83c000000' + '0f05', 'hex');
  const head = Buffer.alloc(120);
  head.write('7f454c46020101', 'hex');
  head.writeUInt16LE(2, 16); head.writeUInt16LE(62, 18); head.writeUInt32LE(1, 20);
  head.writeBigUInt64LE(0x400078n, 24); head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(64, 52); head.writeUInt16LE(56, 54); head.writeUInt16LE(1, 56);
  head.writeUInt32LE(1, 64); head.writeUInt32LE(5, 68);
  head.writeBigUInt64LE(0x400000n, 80); head.writeBigUInt64LE(0x400000n, 88);
  head.writeBigUInt64LE(BigInt(120 + code.length), 96); head.writeBigUInt64LE(BigInt(120 + code.length), 104);
  head.writeBigUInt64LE(0x1000n, 112);
  const file = '/tmp/call-' + process.pid;
  fs.writeFileSync(file, Buffer.concat([head, code]), { mode: 0o755 });
  const { status, signal, error } = spawnSync(file, { timeout: 3000 });
  fs.unlinkSync(file);
  if (error) throw error;
  if (status === null) throw new Error('ended by ' + signal);
  // EPERM, EACCES, ENOSYS
  if ([1, 13, 38].includes(status)) throw new Error('refused with ' + status);
  return 'answered with ' + status;
};
`;

/** Attempts for the node's vantage point. */
export const kernelAttacks: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(calls).map(([name, numbers]) => [name, `return calls(${numbers.join(', ')})`]),
);
