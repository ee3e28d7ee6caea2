import path from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { instanceLabel } from '../../../infra/pods/podLabels.ts';
import { ensureNodeAlgorithmImage } from '../../../infra/toolchain/algorithmImage.ts';
import { ensureBusybox } from '../../../infra/toolchain/busybox.ts';
import { startContainerEngine, type ContainerEngine } from '../../../infra/toolchain/containerEngine.ts';
import { listObjects, removeAbandoned, removeObjects } from '../../../infra/toolchain/engineCleanup.ts';
import { createInstanceName } from '../../../infra/toolchain/instanceName.ts';

let folder: string;
let engine: ContainerEngine;
let image: string;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'c2d-engine-'));
  engine = await startContainerEngine({ folder });
  image = await ensureNodeAlgorithmImage({ docker: engine.docker, busyboxPath: (await ensureBusybox()).path });
}, 120_000);

afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

const leaveObjects = async (instance: string): Promise<void> => {
  const Labels = { [instanceLabel]: instance };
  await engine.docker.createVolume({ Name: `${instance}-data`, Labels });
  const container = await engine.docker.createContainer({
    name: `${instance}-agent`,
    Image: image,
    Cmd: ['sleep', '60'],
    Labels,
    HostConfig: { NetworkMode: 'none', Binds: [`${instance}-data:/data`] },
  });
  await container.start();
};

describe('the container engine', () => {
  test('removes every container and volume of one stack, running or not, and touches no other', async () => {
    const [mine, other] = [createInstanceName(), createInstanceName()];
    await Promise.all([leaveObjects(mine), leaveObjects(other)]);
    await removeObjects(engine.docker, mine);
    expect(await listObjects(engine.docker, mine)).toEqual([]);
    expect(await listObjects(engine.docker, other)).toEqual([`container ${other}-agent`, `volume ${other}-data`]);
    await removeObjects(engine.docker, other);
  });

  test('removes what a killed stack left, and nothing of a living one', async () => {
    const [dead, alive] = [`local-4194304-1-${createInstanceName().slice(-8)}`, createInstanceName()];
    await Promise.all([leaveObjects(dead), leaveObjects(alive)]);
    expect(await removeAbandoned(engine.docker)).toContain(dead);
    expect(await listObjects(engine.docker, dead)).toEqual([]);
    expect(await listObjects(engine.docker, alive)).toHaveLength(2);
    await removeObjects(engine.docker, alive);
  });

  test('a second service sees the images of the first and does not build again', async () => {
    const second = await startContainerEngine({ folder: path.join(folder, 'second') });
    try {
      const lines: string[] = [];
      const build = { docker: second.docker, busyboxPath: (await ensureBusybox()).path, report: (line: string) => lines.push(line) };
      expect(await ensureNodeAlgorithmImage(build)).toBe(image);
      expect(lines).toEqual([]);
    } finally {
      await second.close();
    }
  });

  test('the algorithm image runs JavaScript and a shell without a network', async () => {
    const output: Buffer[] = [];
    const container = await engine.docker.createContainer({
      Image: image,
      Cmd: ['sh', '-c', 'node -p "Object.keys(os.networkInterfaces()).join() + process.version"'],
      HostConfig: { NetworkMode: 'none' },
    });
    try {
      const stream = await container.attach({ stream: true, stdout: true, stderr: true });
      stream.on('data', (chunk: Buffer) => output.push(chunk));
      await container.start();
      expect(await container.wait()).toMatchObject({ StatusCode: 0 });
      expect(Buffer.concat(output).toString()).toContain(`lo${process.version}`);
    } finally {
      await container.remove({ force: true });
    }
  });
});
