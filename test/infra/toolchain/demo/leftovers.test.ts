import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startContainerEngine, type ContainerEngine } from '../../../../infra/toolchain/containerEngine.ts';
import { findLeftovers, takeMarkers } from '../../../../infra/toolchain/demo/leftovers.ts';
import { demoDatasets } from '../../../../infra/toolchain/demo/scene.ts';
import { jobLabel } from '../../../../workflows/contract/ids.ts';
import { aJobId } from '../../../support/builders.ts';

const dataset = demoDatasets[1]!.file;
let folder: string;
let engine: ContainerEngine;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'leftovers-'));
  engine = await startContainerEngine({ folder: path.join(folder, 'engine') });
}, 120_000);

afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

const search = async (jobId: string, changedSinceMs = 0) => {
  const searched = path.join(folder, 'searched');
  mkdirSync(searched, { recursive: true });
  return findLeftovers({ docker: engine.docker, jobId, folders: [searched], markers: await takeMarkers(dataset), changedSinceMs });
};

describe('findLeftovers', () => {
  test('finds a piece of the dataset deep in a folder, across the borders of what is read at once', async () => {
    const deep = path.join(folder, 'searched/a/b');
    mkdirSync(deep, { recursive: true });
    const [marker] = await takeMarkers(dataset);
    const chunkBytes = 1024 * 1024;
    writeFileSync(path.join(deep, 'leak'), Buffer.concat([Buffer.alloc(chunkBytes - 10, 'x'), marker!, Buffer.alloc(100)]));
    writeFileSync(path.join(deep, 'clean'), Buffer.alloc(chunkBytes, 'x'));
    symlinkSync(dataset, path.join(deep, 'link'));
    const found = await search(aJobId());
    expect(found.files).toEqual([path.join(deep, 'leak')]);
    expect(found).toMatchObject({ searchedFiles: 2, unreadable: [], containers: [], volumes: [] });
  });

  test('leaves out what has not changed since', async () => {
    writeFileSync(path.join(folder, 'searched/old'), 'x');
    expect(await search(aJobId(), Date.now() + 60_000)).toMatchObject({ searchedFiles: 0, files: [] });
  });

  test('finds a volume that carries the label of the job, and none of another job', async () => {
    const jobId = aJobId();
    const name = `leftover-${jobId}`;
    await engine.docker.createVolume({ Name: name, Labels: { [jobLabel]: jobId } });
    try {
      expect((await search(jobId)).volumes).toEqual([name]);
      expect((await search(aJobId())).volumes).toEqual([]);
    } finally {
      await engine.docker.getVolume(name).remove();
    }
  });
});
