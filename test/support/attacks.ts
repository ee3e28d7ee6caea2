/**
 * What a hostile algorithm would try from inside its container. Each attack is the body of an async function in plain
 * JavaScript, run in the image with `node`; it returns something truthy when it got what it wanted. Throwing or
 * returning nothing means that it was refused. `tool(…)` runs an applet of the busybox that every pod has.
 */

/** Things that must work: they prove that the harness can tell success from refusal. */
export const controls: Readonly<Record<string, string>> = {
  'writes a file into its outputs': `fs.writeFileSync('/data/outputs/control', 'x'); return fs.existsSync('/data/outputs/control')`,
  'writes into its own temporary folder': `fs.writeFileSync('/tmp/control', 'x'); return fs.existsSync('/tmp/control')`,
  'reads its input': `return fs.readFileSync(firstInput, 'utf8').length > 0`,
  'runs another program': `return tool('echo', 'hello').includes('hello')`,
  'talks to itself over loopback': `
    const server = net.createServer((socket) => socket.on('error', () => {}).end('x')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const answered = await connects(server.address().port, '127.0.0.1');
    server.close();
    return answered`,
};

const filesAndMounts: Readonly<Record<string, string>> = {
  'overwrites an input': `fs.writeFileSync(firstInput, 'x'); return true`,
  'deletes an input': `fs.unlinkSync(firstInput); return true`,
  'renames an input': `fs.renameSync(firstInput, firstInput + '.old'); return true`,
  'makes an input writable': `fs.chmodSync(firstInput, 0o666); return true`,
  'adds a file to the inputs': `fs.writeFileSync('/data/inputs/new', 'x'); return true`,
  'replaces its own code': `fs.writeFileSync('/data/transformations/algorithm', 'x'); return true`,
  'changes a DDO': `fs.writeFileSync('/data/ddos/' + fs.readdirSync('/data/ddos')[0], 'x'); return true`,
  'writes beside the data folders': `fs.writeFileSync('/data/new', 'x'); return true`,
  'writes the log of the platform': `fs.writeFileSync('/data/logs/algorithm.log', 'x'); return true`,
  'writes the root file system': `fs.writeFileSync('/new', 'x'); return true`,
  'replaces a program of the image': `fs.writeFileSync('/bin/sh', 'x'); return true`,
  'writes /etc/passwd': `fs.writeFileSync('/etc/passwd', 'root::0:0::/:/bin/sh'); return true`,
  'replaces the busybox of the pod': `fs.writeFileSync('/.c2d/busybox', 'x'); return true`,
  'adds a file to the control folder': `fs.writeFileSync('/.c2d/new', 'x'); return true`,
  'mounts a file system': `fs.mkdirSync('/tmp/mnt'); tool('mount', '-t', 'tmpfs', 'none', '/tmp/mnt'); return true`,
  'mounts /proc again': `fs.mkdirSync('/tmp/proc'); tool('mount', '-t', 'proc', 'proc', '/tmp/proc'); return true`,
  'makes the root file system writable': `tool('mount', '-o', 'remount,rw', '/'); return true`,
  'makes the inputs writable by a remount': `tool('mount', '-o', 'remount,rw', '/data'); return true`,
  'unmounts the inputs': `tool('umount', '/data/outputs'); tool('umount', '/data'); return true`,
  'changes its root': `tool('chroot', '/tmp', '/bin/true'); return true`,
};

const devicesAndKernel: Readonly<Record<string, string>> = {
  'makes a block device': `tool('mknod', '/tmp/disk', 'b', '8', '0'); return true`,
  'makes a memory device': `tool('mknod', '/tmp/mem', 'c', '1', '1'); return true`,
  'finds a block device': `return fs.readdirSync('/dev').find((name) => fs.lstatSync('/dev/' + name).isBlockDevice())`,
  'opens a device of the host': `
    return ['mem', 'kmem', 'port', 'kmsg', 'fuse', 'kvm', 'sda', 'vda', 'nvme0n1', 'net/tun'].find((name) => {
      try { fs.closeSync(fs.openSync('/dev/' + name, 'r')); return true } catch { return false }
    })`,
  'reads the memory of the host through /proc': `
    const file = fs.openSync('/proc/kcore', 'r');
    return fs.readSync(file, Buffer.alloc(1), 0, 1, 0) > 0`,
  'opens /proc/sysrq-trigger': `fs.closeSync(fs.openSync('/proc/sysrq-trigger', 'w')); return true`,
  'changes the core pattern': `fs.closeSync(fs.openSync('/proc/sys/kernel/core_pattern', 'w')); return true`,
  'changes a kernel setting': `fs.closeSync(fs.openSync('/proc/sys/vm/overcommit_memory', 'w')); return true`,
  'raises its own limits through the control groups': `
    return walk('/sys/fs/cgroup', 4).find((file) => {
      if (!/memory\\.(max|limit_in_bytes)$|pids\\.max$|cgroup\\.procs$|release_agent$/.test(file)) return false;
      try { fs.closeSync(fs.openSync(file, 'r+')); return true } catch { return false }
    })`,
  'reads the kernel log': `return tool('dmesg').length > 0`,
  'loads a kernel module': `fs.writeFileSync('/tmp/a.ko', 'x'); tool('insmod', '/tmp/a.ko'); return true`,
  // to the time it has anyway: if this ever works, nothing is broken
  'sets the clock': `
    const { stderr, status } = spawnSync('/.c2d/busybox', ['date', '-s', '@' + Math.floor(Date.now() / 1000)], { encoding: 'utf8' });
    return status === 0 && !/not permitted/.test(stderr)`,
  'renames the host': `tool('hostname', 'pwned'); return true`,
  swaps: `fs.writeFileSync('/tmp/swap', Buffer.alloc(65536)); tool('swapon', '/tmp/swap'); return true`,
};

const privileges: Readonly<Record<string, string>> = {
  'runs as root': `return process.getuid() === 0 || process.geteuid() === 0 || process.getgid() === 0`,
  'becomes root': `process.setuid(0); return true`,
  'joins the group of root': `process.setgroups([0]); return true`,
  'has a capability': `return ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].find((name) => !/^0+$/.test(ownStatus(name)))`,
  'may gain privileges': `return ownStatus('NoNewPrivs') !== '1'`,
  'runs without a system call filter': `return ownStatus('Seccomp') !== '2'`,
  'gains privileges from a set-uid program': `
    fs.mkdirSync('/tmp/suid');
    fs.copyFileSync('/bin/busybox', '/tmp/suid/busybox');
    try { fs.chownSync('/tmp/suid/busybox', 0, 0) } catch { /* the mode alone may do */ }
    fs.chmodSync('/tmp/suid/busybox', 0o4755);
    return /uid=0|euid=0/.test(execFileSync('/tmp/suid/busybox', ['id'], { encoding: 'utf8' }))`,
  'has set-uid programs at hand': `return tool('find', '/', '-xdev', '-perm', '-4000', '-type', 'f').trim()`,
  'takes over a user namespace': `tool('unshare', '-U', '-r', '/.c2d/busybox', 'id'); return true`,
  'mounts inside a user namespace of its own': `
    fs.mkdirSync('/tmp/inner');
    tool('unshare', '-U', '-r', '-m', '/.c2d/busybox', 'mount', '-t', 'tmpfs', 'none', '/tmp/inner');
    return true`,
  'makes a mount namespace': `tool('unshare', '-m', '/.c2d/busybox', 'true'); return true`,
  'makes a network namespace': `tool('unshare', '-n', '/.c2d/busybox', 'true'); return true`,
  'enters the namespaces of another process': `tool('nsenter', '-t', '1', '-m', '-n', '-p', '/.c2d/busybox', 'true'); return true`,
  'lowers its nice value': `os.setPriority(0, -10); return true`,
};

const processes: Readonly<Record<string, string>> = {
  'sees a process that is not its own': `
    return pids().find((pid) => {
      const line = fs.readFileSync('/proc/' + pid + '/cmdline', 'latin1');
      return /agent|gateway|postgres|temporal|podman|conmon|dockerd/.test(line.split('\\0')[0]) || /workers\\/agent/.test(line)
    })`,
  'kills the wrapper': `process.kill(1, 'SIGKILL'); await delay(200); return !fs.existsSync('/proc/1')`,
  'freezes the wrapper': `process.kill(1, 'SIGSTOP'); await delay(200); return /^State:\\s+[Tt]/m.test(fs.readFileSync('/proc/1/status', 'utf8'))`,
  'reads the memory of the wrapper': `
    const [start] = fs.readFileSync('/proc/1/maps', 'utf8').split('-');
    const file = fs.openSync('/proc/1/mem', 'r');
    return fs.readSync(file, Buffer.alloc(16), 0, 16, parseInt(start, 16)) > 0`,
  'leaves its container through /proc/1/root': `return fs.existsSync('/proc/1/root/var/lib') && fs.readdirSync('/proc/1/root/home').length > 0`,
  'finds a token in an environment': `
    return pids().find((pid) => {
      try { return /C2D_TOKEN|PRIVATE_KEY|ENCRYPTION|DATABASE_URL/i.test(fs.readFileSync('/proc/' + pid + '/environ', 'latin1')) } catch { return false }
    })`,
  'reads what the agent keeps to itself': `
    return fs.readdirSync('/.c2d').find((name) => {
      const file = '/.c2d/' + name;
      if (name === 'busybox' || !fs.lstatSync(file).isFile()) return false;
      try { return fs.readFileSync(file, 'latin1').length > 0 && /token|state/i.test(name) } catch { return false }
    })`,
  'makes more processes than it may': `
    const children = [];
    let failed = false;
    for (let i = 0; i < 700 && !failed; i++) {
      const child = spawn('/.c2d/busybox', ['sleep', '20'], { stdio: 'ignore' });
      child.on('error', () => { failed = true });
      children.push(child);
      if (i % 50 === 0) await delay(1);
    }
    await delay(100);
    const running = children.filter((child) => child.pid !== undefined).length;
    for (const child of children) child.kill('SIGKILL');
    await delay(300);
    return running >= 700`,
};

const network: Readonly<Record<string, string>> = {
  'opens a packet socket': `tool('arping', '-c', '1', '-w', '1', '-I', 'lo', '127.0.0.1'); return true`,
  'brings up an interface': `tool('ip', 'link', 'add', 'c2d0', 'type', 'dummy'); return true`,
  'resolves a name': `return (await dns.lookup('example.org')).address`,
  'asks a name server directly': `
    const resolver = new dns.Resolver({ timeout: 500, tries: 1 });
    resolver.setServers(['8.8.8.8']);
    return (await resolver.resolve4('example.org')).length > 0`,
  'reaches the metadata service of a cloud': `return connects(80, '169.254.169.254')`,
  'reaches a private network': `return connects(80, '10.0.0.1')`,
  'reaches the Internet': `return connects(443, '1.1.1.1')`,
  'reaches the Internet over IPv6': `return connects(443, '2606:4700:4700::1111')`,
  'reaches a service of the host on loopback': `
    for (const port of hostPorts) if (await connects(port, '127.0.0.1')) return port`,
  'reaches the socket of the gateway': `return connects('/run/c2d/gateway.sock')`,
  'finds a socket of anybody': `return walk('/', 4).find((file) => { try { return fs.lstatSync(file).isSocket() } catch { return false } })`,
  'sees sockets of other processes': `return fs.readFileSync('/proc/net/unix', 'utf8').trim().split('\\n').slice(1).find((line) => / [@/]\\S+$/.test(line))`,
};

/** Where an algorithm has no network at all. */
const networkOfNone: Readonly<Record<string, string>> = {
  'has a network interface': `return Object.keys(os.networkInterfaces()).find((name) => name !== 'lo')`,
  'has a route': `return fs.readFileSync('/proc/net/route', 'utf8').trim().split('\\n').slice(1).length > 0`,
  'sends a datagram': `
    const socket = dgram.createSocket('udp4');
    const sent = await new Promise((resolve) => socket.send('x', 53, '8.8.8.8', (err) => resolve(!err)));
    socket.close();
    return sent`,
};

/** A pod of a cluster has an interface for its agent; what is sent over it gets nowhere. */
const networkOfSealedPods: Readonly<Record<string, string>> = {
  'hears an answer to a datagram': `
    const socket = dgram.createSocket('udp4');
    const answer = Promise.race([once(socket, 'message'), delay(1500).then(() => undefined)]);
    // a question for the address of example.org
    const question = Buffer.from('123401000001000000000000076578616d706c65036f72670000010001', 'hex');
    for (const server of nameServers) socket.send(question, 53, server, () => {});
    const heard = await answer;
    socket.close();
    return heard`,
  'knows the addresses of the cluster': `return Object.keys(process.env).find((name) => /KUBERNETES|_SERVICE_/.test(name))`,
  'has a token of the cluster': `return fs.existsSync('/var/run/secrets') && fs.readdirSync('/var/run/secrets').length > 0`,
};

/** Every attack on pods of a runtime by its name; the name completes "an algorithm never …". */
export const attacksOn = (kind: 'docker' | 'kubernetes'): Readonly<Record<string, string>> => ({
  ...filesAndMounts,
  ...devicesAndKernel,
  ...privileges,
  ...processes,
  ...network,
  ...(kind === 'docker' ? networkOfNone : networkOfSealedPods),
});

const prelude = `
const fs = require('node:fs'), os = require('node:os'), net = require('node:net'), dgram = require('node:dgram');
const dns = require('node:dns/promises');
const { once } = require('node:events');
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { setTimeout: delay } = require('node:timers/promises');
const firstInput = '/data/inputs/' + JSON.parse(process.env.DIDS)[0] + '/0';
const hostPorts = JSON.parse(process.env.HOST_PORTS);
const nameServers = JSON.parse(process.env.NAME_SERVERS ?? '[]');
class Untried extends Error {}
const tool = (...args) => {
  const { status, stdout, stderr, error } = spawnSync('/.c2d/busybox', args, { encoding: 'utf8', timeout: 3000 });
  if (error) throw error;
  if (/applet not found/.test(stderr)) throw new Untried('busybox has no ' + args[0]);
  if (status !== 0) throw new Error(stderr.trim() || 'exit code ' + status);
  return stdout;
};
const connects = (...where) => new Promise((resolve, reject) => {
  const socket = net.connect(...where);
  socket.setTimeout(1500, () => { socket.destroy(); reject(new Error('no answer')) });
  socket.once('connect', () => { socket.destroy(); resolve(true) });
  socket.on('error', reject);
});
const pids = () => fs.readdirSync('/proc').filter((name) => /^\\d+$/.test(name));
const ownStatus = (name) => new RegExp('^' + name + ':\\\\s+(\\\\S+)', 'm').exec(fs.readFileSync('/proc/self/status', 'utf8'))[1];
const walk = (folder, depth) => {
  let names = [];
  try { names = fs.readdirSync(folder, { withFileTypes: true }) } catch { return [] }
  return names.flatMap((entry) => {
    const file = (folder === '/' ? '' : folder) + '/' + entry.name;
    return entry.isDirectory() && depth > 1 && !/^\\/(proc|usr\\/lib)$/.test(file) ? [file, ...walk(file, depth - 1)] : [file];
  });
};
`;

/** What one attack came to. */
export interface AttackOutcome {
  readonly succeeded: boolean;
  /** what it got, or why it was refused */
  readonly detail: string;
  /** true if it could not even be tried */
  readonly untried: boolean;
}

/** What a program is made of besides its attempts. */
export interface AttackSetting {
  /** attempts that wait for answers: tried together, before all others. None of them may block */
  readonly atOnce?: Readonly<Record<string, string>>;
  /** JavaScript that goes before the attempts */
  readonly before?: string;
}

const listAttempts = (attempts: Readonly<Record<string, string>>): string =>
  Object.entries(attempts)
    .map(([name, body]) => `${JSON.stringify(name)}: async () => {${body}\n}`)
    .join(',\n');

/** A program that tries everything and writes `outcomes.json` into its outputs. */
export const attackProgram = (
  attempts: Readonly<Record<string, string>>,
  { atOnce = {}, before = '' }: AttackSetting = {},
): string => `${prelude}${before}
const together = {
${listAttempts(atOnce)}
};
const attempts = {
${listAttempts(attempts)}
};
(async () => {
  const outcomes = {};
  const make = async ([name, attempt]) => {
    try {
      const got = await attempt();
      outcomes[name] = { succeeded: Boolean(got), detail: String(got), untried: false };
    } catch (err) {
      outcomes[name] = { succeeded: false, detail: String(err.code ?? '') + ' ' + err.message, untried: err instanceof Untried || err instanceof ReferenceError || err instanceof SyntaxError || err instanceof TypeError };
    }
  };
  await Promise.all(Object.entries(together).map(make));
  for (const entry of Object.entries(attempts)) await make(entry);
  fs.writeFileSync('/data/outputs/outcomes.json', JSON.stringify(outcomes));
  process.exit(0);
})();
`;
