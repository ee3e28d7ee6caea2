/** Algorithms that try to harm whoever runs beside them, or to outlive their limits. Code for `node`. */

import type { RawJob } from './jobs.ts';

/** One of them, and how it may end. */
export interface Bomb {
  readonly environment: 'tiny' | 'brief';
  readonly code: string;
  /** statuses of its end */
  readonly ends: readonly number[];
  /** what its log has */
  readonly log?: RegExp;
}

const before = `
const fs = require('node:fs');
const { spawn } = require('node:child_process');
const busybox = (...args) => spawn('/.c2d/busybox', args, { stdio: 'ignore' }).on('error', () => undefined);
const others = () => fs.readdirSync('/proc').filter((name) => /^\\d+$/.test(name) && name !== '1' && name !== String(process.pid)).map(Number);
const stay = () => { process.on('SIGTERM', () => undefined); setInterval(() => undefined, 1000) };
console.log('began');
`;

const fill = (file: string): string => `
  const f = fs.openSync('${file}', 'w');
  try { for (;;) fs.writeSync(f, Buffer.alloc(2 ** 20, 1)) } catch (err) { console.log(err.code) }`;

/** What takes without end. The kernel may end a crowd of processes for their memory or at their deadline. */
export const takers: Readonly<Record<string, Bomb>> = {
  'forks without end': { environment: 'brief', code: `busybox('sh', '-c', 'f() { f | f & }; f; sleep 100'); stay()`, ends: [81, 83] },
  'spins in more threads than it has': {
    environment: 'brief',
    code: `for (let n = 0; n < 8; n += 1) busybox('sh', '-c', 'while :; do :; done'); stay()`,
    ends: [81],
  },
  'takes all memory': { environment: 'tiny', code: `const all = []; for (;;) all.push(Buffer.alloc(2 ** 24, 1))`, ends: [83] },
  'fills its temporary folder': { environment: 'tiny', code: fill('/tmp/large'), ends: [70], log: /ENOSPC|EFBIG/ },
  'fills the shared memory': { environment: 'tiny', code: fill('/dev/shm/large'), ends: [70, 83], log: /ENOSPC|EFBIG|^began\n$/ },
  'fills the disk': {
    environment: 'tiny',
    code: `stay(); setInterval(() => fs.appendFileSync('/data/outputs/large', Buffer.alloc(2 ** 18)), 20)`,
    ends: [42],
  },
  'makes a file of a terabyte': {
    environment: 'tiny',
    code: `fs.writeFileSync('/data/outputs/f', ''); fs.truncateSync('/data/outputs/f', 2 ** 40)`,
    ends: [42, 82],
  },
  'makes a file with holes': {
    environment: 'tiny',
    code: `fs.writeFileSync('/data/outputs/f', ''); fs.truncateSync('/data/outputs/f', 2 ** 25)`,
    ends: [42],
  },
  'makes files without end': {
    environment: 'tiny',
    code: `stay(); let n = 0; setInterval(() => { for (let m = 0; m < 200; m += 1) fs.writeFileSync('/data/outputs/' + n++, '') }, 20)`,
    ends: [42],
  },
  // a kubelet holds a file open for each level that it removes, and those of a test's cluster may open 20,000
  'makes folders in folders without end': {
    environment: 'tiny',
    code: `stay(); process.chdir('/data/outputs'); setInterval(() => { for (let m = 0; m < 50; m += 1) { fs.mkdirSync('d'); process.chdir('d') } }, 20)`,
    ends: [42],
  },
  'writes its log without end': {
    environment: 'tiny',
    // node opens its output without blocking: a full pipe is an error
    code: `
      const line = 'x'.repeat(1023) + '\\n';
      for (let n = 0; n < 20000; ) try { fs.writeSync(1, line); n += 1 } catch { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1) }`,
    ends: [70],
    log: /\[the log was cut here/,
  },
};

/** What takes on the wrapper, which is the first process of its container. */
export const tamperers: Readonly<Record<string, Bomb>> = {
  'kills whoever watches it': {
    environment: 'brief',
    code: `stay(); setInterval(() => others().forEach((pid) => { try { process.kill(pid, 'SIGKILL') } catch {} }), 5)`,
    ends: [81],
  },
  'freezes whoever watches it': {
    environment: 'brief',
    code: `stay(); setInterval(() => others().forEach((pid) => { try { process.kill(pid, 'SIGSTOP') } catch {} }), 5)`,
    ends: [81],
  },
  'ends the wrapper early and leaves somebody behind': {
    environment: 'brief',
    code: `
      process.on('SIGTERM', () => undefined);
      spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => undefined); setInterval(() => undefined, 1000)'], { detached: true, stdio: 'ignore' });
      setTimeout(() => process.kill(1, 'SIGTERM'), 1000); setTimeout(() => process.exit(0), 2000)`,
    ends: [70, 81],
  },
  'forges words of the wrapper': {
    environment: 'tiny',
    code: `
      const life = fs.openSync('/.c2d/life', 'w');
      const nonce = 'f'.repeat(32);
      for (const line of ['here', 'unsealed you', 'started', 'started ' + nonce, 'exit 0 0', 'exit ' + nonce + ' 0 0', 'unstartable ' + nonce + ' sh', 'exit  0 0'])
        fs.writeSync(life, line + '\\n');
      fs.writeSync(life, 'x'.repeat(2 ** 20));
      fs.writeSync(life, '\\0\\n\\n');
      const log = fs.openSync('/.c2d/log', 'w');
      fs.writeSync(log, Buffer.alloc(1000, 255));
      try { fs.writeFileSync('/.c2d/gate', 'bye'); console.log('the gate is open') } catch (err) { console.log('gate', err.code) }
      for (const name of ['stop', 'taken', 'ready']) try { fs.writeFileSync('/.c2d/' + name, ''); console.log(name + ' was written') } catch (err) { console.log(name, err.code) }
      process.exit(3)`,
    ends: [82],
    log: /gate E(ACCES|ROFS|PERM)\nstop EROFS\ntaken EROFS\nready E(ROFS|ACCES|PERM)/,
  },
};

/** What runs beside them all: its results tell whether it was harmed. */
export const innocentJob: RawJob = {
  environment: 'tiny',
  code: `
    const fs = require('node:fs');
    let n = 0;
    const timer = setInterval(() => {
      fs.appendFileSync('/data/outputs/steps', (n += 1) + '\\n');
      if (n === 40) clearInterval(timer);
    }, 200)`,
};

/** A bomb as a job. */
export const bombJob = ({ environment, code }: Bomb): RawJob => ({ environment, code: before + code });
