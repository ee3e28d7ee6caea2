import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { inspectCluster, removeCluster, startCluster } from '../../infra/toolchain/cluster/cluster.ts';
import { placeOf } from '../../infra/toolchain/cluster/place.ts';
import { runProgram } from '../../infra/toolchain/run.ts';
import { waitFor } from './clusterScene.ts';

const names = ['closed', 'killed', 'owned'].map((ending) => `${ending}-${process.pid}`) as [string, string, string];

afterAll(async () => {
  for (const name of names) await removeCluster(name);
}, 120_000);

/** Everything on this machine that belongs to the cluster: processes, mounts, networks, control groups, files. */
const listTraces = async (name: string, nodeAddress: string): Promise<readonly string[]> => {
  const { folder, controlGroup } = placeOf(name);
  const processes = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const commands = await Promise.all(processes.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  const groups = (await readdir('/sys/fs/cgroup')).map((hierarchy) => `/sys/fs/cgroup/${hierarchy}/${controlGroup}`);
  return [
    ...commands.filter((command) => command.includes(`${folder}/`) || command.includes(`--name\0${name}`)),
    ...(await readFile('/proc/self/mountinfo', 'utf8')).split('\n').filter((line) => line.includes(folder)),
    ...(await runProgram('ip', ['-oneline', 'address'])).split('\n').filter((line) => line.includes(`${nodeAddress}/`)),
    ...[...groups, `/sys/fs/cgroup/${controlGroup}`, folder].filter((each) => existsSync(each)),
  ];
};

describe('the end of a cluster', () => {
  test('leaves nothing when it is closed', async () => {
    const [name] = names;
    const cluster = await startCluster({ name });
    expect(await listTraces(name, cluster.nodeAddress)).not.toEqual([]);
    await cluster.close();
    expect(await listTraces(name, cluster.nodeAddress)).toEqual([]);
  }, 180_000);

  test('leaves files at most when its host is killed, and the next start or end removes them', async () => {
    const [, name] = names;
    const { nodeAddress } = await startCluster({ name });
    process.kill((await inspectCluster(name))!.host, 'SIGKILL');
    const { folder } = placeOf(name);
    await waitFor(async () => {
      const traces = await listTraces(name, nodeAddress);
      return traces.every((trace) => trace === folder || trace.startsWith('/sys/fs/cgroup/')) || undefined;
    });
    expect(await removeCluster(name)).toBe(true);
    expect(await listTraces(name, nodeAddress)).toEqual([]);
  }, 180_000);

  test('comes with the end of whoever started it, also when that was killed', async () => {
    const [, , name] = names;
    const module = path.resolve('infra/toolchain/cluster/cluster.ts');
    const program = `const { startCluster } = await import('${module}'); console.log((await startCluster({ name: '${name}' })).nodeAddress); setInterval(() => undefined, 1000);`;
    const stdio = ['ignore', 'pipe', 'inherit'] as const;
    const owner = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: [...stdio],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    owner.kill('SIGKILL');
    const nodeAddress = line.toString().trim();
    expect(nodeAddress).toMatch(/^10\./);
    await waitFor(async () => (await listTraces(name, nodeAddress)).length === 0 || undefined, 60_000);
  }, 180_000);
});
