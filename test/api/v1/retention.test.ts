import type { JobDetails } from '../../../api/v1/schemas.ts';
import { computeEnvironments } from '../../../infra/environments/environments.ts';
import { askedAsset } from '../../../workflows/contract/asset.ts';
import { aJobId } from '../../support/builders.ts';
import { openCaller, openSurface, problemIn, startOne, type Caller, type Surface } from './support/surface.ts';

let surface: Surface;
let alice: Caller;
let bob: Caller;
const day = 86_400;
beforeAll(async () => {
  surface = await openSurface({
    environments: computeEnvironments.parse([
      {
        ...{ id: 'small', free: {}, storageExpiry: 7 * day, maxStorageExpiry: 30 * day },
        assets: { chainId: 8996, serviceEndpoint: 'http://127.0.0.1:8000', freeJobs: true },
      },
    ]),
  });
  [alice, bob] = [await openCaller(surface), await openCaller(surface)];
});
afterAll(() => surface.close());

const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1_000).toISOString();
const keep = (caller: Caller, id: string, until: string) => caller.call(`/api/v1/jobs/${id}/retention`, { method: 'PUT', body: { until } });
const drop = (caller: Caller, id: string) => caller.call(`/api/v1/jobs/${id}/retention`, { method: 'DELETE' });
const ended = async (): Promise<string> => {
  const id = await startOne(alice, { additionalViewers: [bob.wallet.address] });
  await surface.finish(id, { 'out.txt': 'result', 'algorithm.log': 'log' });
  return id;
};

describe('how long results are kept', () => {
  test('is announced with the environment, the job, its line in the list and its results', async () => {
    const { body: environments } = await alice.call('/api/v1/environments');
    expect(environments).toMatchObject({ environments: [{ storageSeconds: 7 * day, maxStorageSeconds: 30 * day }] });
    const id = await startOne(alice);
    expect((await alice.call(`/api/v1/jobs/${id}`)).body).toMatchObject({ expiresAt: null });
    await surface.finish(id, { 'out.txt': 'result' });
    const { expiresAt, finishedAt } = (await alice.call(`/api/v1/jobs/${id}`)).body as JobDetails;
    expect(Math.round((Date.parse(expiresAt!) - Date.parse(finishedAt!)) / 1_000)).toBe(7 * day);
    expect((await alice.call('/api/v1/jobs')).body).toMatchObject({ jobs: [{ id, expiresAt }] });
    expect((await alice.call(`/api/v1/jobs/${id}/results`)).body).toMatchObject({ expiresAt });
  });

  test('is moved by the owner, later and sooner', async () => {
    const id = await ended();
    for (const until of [inSeconds(29 * day), inSeconds(60)]) {
      const { status, body } = await keep(alice, id, until);
      expect([status, (body as JobDetails).expiresAt]).toEqual([200, until]);
    }
    const zoned = new Date(Date.now() + day * 1_000).toISOString().replace('Z', '+00:00');
    expect((await keep(alice, id, zoned)).status).toBe(200);
  });

  test.each([
    ['later than the environment permits', () => inSeconds(31 * day), /keeps these results no longer than until 20/],
    ['in the past', () => inSeconds(-1), /has passed; DELETE ends the storage at once/],
    ['no time', () => 'tomorrow', /until/],
    ['a year that no clock has', () => '+275760-09-13T00:00:00.001Z', /until/],
  ])('is not moved to a time that is %s', async (_what, until, text) => {
    const answer = await keep(alice, await ended(), until());
    expect(answer.status).toBe(400);
    expect(problemIn(answer).detail).toMatch(text);
  });

  test('has no end before the job has one', async () => {
    const id = await startOne(alice);
    for (const answer of [await keep(alice, id, inSeconds(60)), await drop(alice, id)])
      expect([answer.status, problemIn(answer).code]).toEqual([409, 'JobNotEnded']);
  });

  test('is nobody else’s matter, not even a viewer’s', async () => {
    const id = await ended();
    for (const answer of [await keep(bob, id, inSeconds(60)), await drop(bob, id), await drop(alice, aJobId())])
      expect(answer.status).toBe(404);
    expect((await bob.call(`/api/v1/jobs/${id}/results`)).status).toBe(200);
  });
});

describe('results that are the files of an asset', () => {
  test('have no end, and who would move it or delete them is told why', async () => {
    const id = await startOne(alice, { publishOutput: {} });
    await surface.finish(id, { 'out.txt': 'result' });
    const made = { state: 'published' as const, chainId: 8996, did: 'did:op:new', nftAddress: `0x${'2'.repeat(40)}` };
    await surface.ledger.recordAsset(id, { ...askedAsset, ...made });
    for (const answer of [await keep(alice, id, inSeconds(60)), await drop(alice, id)]) {
      expect([answer.status, problemIn(answer).code]).toEqual([409, 'ResultsPublished']);
      expect(problemIn(answer).detail).toContain('did:op:new');
    }
    expect((await alice.call(`/api/v1/jobs/${id}`)).body).toMatchObject({ ended: true, expiresAt: null, asset: made });
    expect((await alice.call(`/api/v1/jobs/${id}/results`)).body).toMatchObject({ expiresAt: null, results: [{ name: 'out.txt' }] });
    expect((await alice.call(`/api/v1/jobs/${id}/results/0`)).text).toBe('result');
  });
});

describe('results that were deleted', () => {
  test('are shown to nobody from that instant on, and everybody who may know is told why', async () => {
    const id = await ended();
    const { status, body } = await drop(alice, id);
    expect([status, body]).toMatchObject([200, { id, phase: 'succeeded', results: [] }]);
    for (const caller of [alice, bob]) {
      for (const path of ['results', 'results/0', 'logs', 'logs?follow=true']) {
        const answer = await caller.call(`/api/v1/jobs/${id}/${path}`);
        expect([path, answer.status, problemIn(answer).code]).toEqual([path, 410, 'ResultsExpired']);
        expect(problemIn(answer).detail).toMatch(new RegExp(`^Results of job ${id} were kept until 20\\d\\d-.*Z and are gone$`));
      }
    }
    for (const answer of [await drop(alice, id), await keep(alice, id, inSeconds(60))]) expect(answer.status).toBe(410);
  });

  test('leave the job', async () => {
    const id = await ended();
    await drop(alice, id);
    await surface.ledger.reduceJob(id);
    const { status, body } = await alice.call(`/api/v1/jobs/${id}`);
    expect([status, body]).toMatchObject([200, { owner: alice.wallet.address, status: 70, ended: true, metadata: null }]);
    expect((body as JobDetails).termination).toMatchObject({ exitCode: 0 });
    const stopped = await alice.call(`/api/v1/jobs/${id}/stop`, { method: 'POST' });
    expect(stopped.status).toBe(200);
  });
});
