import type Docker from 'dockerode';
import { isGone, listLabelled } from '../../../infra/toolchain/engineLists.ts';

const engineError = (statusCode: number, message: string): Error => Object.assign(new Error(message), { statusCode });
const id = 'e3'.repeat(32);
const vanished = engineError(500, `(HTTP code 500) server error - getting container from store "${id}": container not known`);

/** An engine whose first lists fail. */
const anEngine = (failures: readonly Error[]): Docker => {
  const left = [...failures];
  return {
    listContainers: () => (left.length > 0 ? Promise.reject(left.shift()!) : Promise.resolve([{ Id: '1' }])),
    listVolumes: () => Promise.resolve({ Volumes: null, Warnings: null }),
    getContainer: () => ({ remove: () => Promise.reject(engineError(404, 'no such container')) }),
  } as unknown as Docker;
};

describe('listLabelled', () => {
  test('lists again when a container has gone meanwhile', async () => {
    await expect(listLabelled(anEngine([vanished, vanished]), 'a')).resolves.toEqual({ containers: [{ Id: '1' }], volumes: [] });
  });

  test('tells every other failure at once', async () => {
    const broken = engineError(500, 'database is locked');
    await expect(listLabelled(anEngine([broken]), 'a')).rejects.toBe(broken);
  });

  test('finishes the removal of a container in which its engine was killed', async () => {
    const removed: string[] = [];
    const docker = {
      listContainers: () => (removed.length === 0 ? Promise.reject(vanished) : Promise.resolve([])),
      listVolumes: () => Promise.resolve({ Volumes: [], Warnings: null }),
      getContainer: (name: string) => ({ remove: () => Promise.resolve(removed.push(name)) }),
    } as unknown as Docker;
    await expect(listLabelled(docker, 'a')).resolves.toEqual({ containers: [], volumes: [] });
    expect(removed).toEqual([id]);
  });

  test('gives up on an engine that never gets over it', async () => {
    await expect(listLabelled(anEngine(Array.from({ length: 30 }, () => vanished)), 'a')).rejects.toBe(vanished);
  });
});

describe('isGone', () => {
  test.each<[boolean, number, string]>([
    [true, 404, 'no such container'],
    [true, 500, 'no such container'],
    [true, 500, 'getting container from store "x": container not known'],
    [false, 500, 'container state improper'],
    [false, 409, 'no such container'],
  ])('is %s for %i %s', (expected, statusCode, message) => {
    expect(isGone(engineError(statusCode, message))).toBe(expected);
  });
});
