import { setTimeout as delay } from 'node:timers/promises';
import { Wallet } from 'ethers';
import { verifyManifest } from '../../../api/cli/manifest.ts';
import { parseEvents, type ServerEvent } from '../../../api/cli/eventParser.ts';
import { followJob } from '../../../api/v1/jobEvents.ts';
import { status } from '../../../workflows/contract/status.ts';
import { aJobRow, aWorld } from '../support/fakes.ts';
import { manifestKey, openCaller, openSurface, problemIn, startOne, type Caller, type Surface } from './support/surface.ts';

let surface: Surface;
let alice: Caller;
beforeAll(async () => {
  surface = await openSurface();
  alice = await openCaller(surface);
});
afterAll(() => surface.close());

const openEvents = async (id: string, lastId?: string): Promise<AsyncGenerator<ServerEvent>> => {
  const response = await alice.fetch(`/api/v1/jobs/${id}/events`, { headers: lastId === undefined ? {} : { 'Last-Event-ID': lastId } });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  return parseEvents(response.body!);
};
const next = async (events: AsyncGenerator<ServerEvent>): Promise<ServerEvent> => {
  const { value, done } = await events.next();
  if (done === true) throw new Error('the stream has ended');
  return value;
};
const until = async (events: AsyncGenerator<ServerEvent>, isWanted: (event: ServerEvent) => boolean): Promise<ServerEvent> => {
  for (;;) {
    const event = await next(events);
    if (isWanted(event)) return event;
  }
};
const rest = async (events: AsyncGenerator<ServerEvent>): Promise<ServerEvent[]> => {
  const seen: ServerEvent[] = [];
  for await (const event of events) seen.push(event);
  return seen;
};
const dataOf = ({ data }: ServerEvent): Record<string, unknown> => JSON.parse(data) as Record<string, unknown>;
const isRunning = (event: ServerEvent): boolean => event.kind === 'progress' && dataOf(event)['phase'] === 'running';

describe('GET /api/v1/jobs/{id}/events', () => {
  test('tells each state, place and progress as it comes, then the job, then ends', async () => {
    const id = await startOne(alice);
    const events = await openEvents(id);
    expect(dataOf(await next(events))).toMatchObject({ phase: 'queued', status: 1 });
    expect((await next(events)).kind).toBe('progress');
    await surface.ledger.recordPositions([{ jobId: id, ahead: 1 }]);
    expect(dataOf(await next(events))).toMatchObject({ queue: { ahead: 1, orMore: false } });
    const progress = { phase: 'stageInputs', filesDone: 0, filesTotal: 1, bytesDone: 5, bytesTotal: 10 };
    await surface.progress(id, status.provisioningData, { progress });
    const staging = await until(events, (event) => dataOf(event)['phase'] === 'staging' && event.kind === 'progress');
    expect(dataOf(staging)).toMatchObject({ status: 30, progress: { percent: 50 } });
    await surface.finish(id, { a: 'x' });
    const last = await rest(events);
    expect(last.map(({ kind }) => kind)).toEqual(['status', 'end']);
    expect(dataOf(last[1]!)).toMatchObject({ id, phase: 'succeeded', results: [{ name: 'a', sizeBytes: 1 }] });
  });

  test('who comes back is told what was missed, and nothing twice', async () => {
    const id = await startOne(alice);
    await surface.progress(id, status.provisioningData);
    const events = await openEvents(id);
    const { id: lastId } = await until(events, (event) => event.kind === 'progress');
    await events.return(undefined);
    await surface.progress(id, status.running);
    await surface.finish(id, {});
    const missed = await rest(await openEvents(id, lastId));
    expect(missed.map((event) => [event.kind, dataOf(event)['status']])).toEqual([
      ['status', status.running],
      ['status', status.finished],
      ['end', status.finished],
    ]);
    const after = await alice.fetch(`/api/v1/jobs/${id}/events`, { headers: { 'Last-Event-ID': missed.at(-1)!.id } });
    expect(after.status).toBe(204);
  });

  test('who comes back to where it is gets nothing until something happens', async () => {
    const id = await startOne(alice);
    await surface.progress(id, status.running);
    const first = await openEvents(id);
    const { id: lastId } = await until(first, isRunning);
    await first.return(undefined);
    const events = await openEvents(id, lastId);
    const coming = next(events);
    expect(await Promise.race([coming.then(() => 'told'), delay(700, 'silent')])).toBe('silent');
    await surface.ledger.requestStop(id);
    await surface.ledger.recordProgress({ jobId: id, podAttempt: 1, status: status.running, reason: 'ending' });
    expect(dataOf(await coming)).toMatchObject({ reason: 'ending', stopRequested: true });
    await events.return(undefined);
  });

  test('an id that is none of ours begins at the beginning', async () => {
    const id = await startOne(alice);
    const events = await openEvents(id, 'whatever');
    expect(dataOf(await next(events))).toMatchObject({ phase: 'queued' });
    await events.return(undefined);
  });

  test('a stream without news says that it is alive', async () => {
    const world = aWorld();
    const { jobId } = world.ledger.put(aJobRow({ phases: { 1: 1 } }));
    const over = new AbortController();
    const stream = followJob({ ledger: world.ledger, jobId, position: null, signal: over.signal, heartbeatMs: 1 });
    expect((await stream.next()).value).toMatch(/^id: 1-1-\nevent: status/);
    const coming = stream.next();
    world.ledger.writeLog(jobId, 'no event, but time has passed');
    expect((await coming).value).toBe(': nothing new\n\n');
    over.abort();
    expect((await stream.next()).done).toBe(true);
    expect(world.ledger.changes.listenerCount(jobId)).toBe(0);
  });

  test('streams end when the process ends, so that clients go elsewhere', async () => {
    const other = await openSurface();
    const caller = await openCaller(other);
    const id = await startOne(caller);
    await other.progress(id, status.running);
    const events = parseEvents((await caller.fetch(`/api/v1/jobs/${id}/events`)).body!);
    await until(events, isRunning);
    const log = await caller.fetch(`/api/v1/jobs/${id}/logs?follow=true`);
    const reading = log.text();
    const broken = expect(reading).rejects.toThrow(/terminated/);
    await other.close();
    expect(await rest(events)).toEqual([]);
    await broken;
  });

  test('a log that grows makes no event', async () => {
    const id = await startOne(alice);
    await surface.progress(id, status.running);
    const events = await openEvents(id);
    await until(events, isRunning);
    const coming = next(events);
    for (let n = 0; n < 5; n += 1) await surface.ledger.appendLog({ jobId: id, podAttempt: 1, offset: n, bytes: Buffer.from('x') });
    expect(await Promise.race([coming.then(() => 'told'), delay(700, 'silent')])).toBe('silent');
    await surface.finish(id, {});
    await coming;
    await events.return(undefined);
  });
});

describe('GET /api/v1/jobs/{id}/logs', () => {
  const write = (jobId: string, offset: number, text: string) =>
    surface.ledger.appendLog({ jobId, podAttempt: 1, offset, bytes: Buffer.from(text) });
  const logs = (id: string, query = '') => alice.call(`/api/v1/jobs/${id}/logs${query}`);

  test('what is there so far, from an offset on', async () => {
    const id = await startOne(alice);
    expect((await logs(id)).text).toBe('');
    await surface.progress(id, status.running);
    await write(id, 0, 'one\n');
    await write(id, 4, 'two\n');
    expect((await logs(id)).text).toBe('one\ntwo\n');
    expect((await logs(id, '?offset=2')).text).toBe('e\ntwo\n');
    expect((await logs(id, '?offset=100')).text).toBe('');
  });

  test('follows from an offset until the job ends', async () => {
    const id = await startOne(alice);
    await surface.progress(id, status.running);
    await write(id, 0, 'one\n');
    const response = await alice.fetch(`/api/v1/jobs/${id}/logs?follow=true&offset=1`);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe('ne\n');
    await write(id, 4, 'two\n');
    expect((await reader.read()).value).toBe('two\n');
    await surface.finish(id, {});
    expect((await reader.read()).done).toBe(true);
  });

  test('of a job that has ended the log that was kept counts (complaint: no logs for any job)', async () => {
    const id = await startOne(alice);
    await surface.progress(id, status.running);
    await write(id, 0, 'live');
    await surface.finish(id, { 'algorithm.log': 'kept log' });
    expect([(await logs(id)).text, (await logs(id, '?offset=5&follow=true')).text, (await logs(id, '?offset=8')).text]).toEqual([
      'kept log',
      'log',
      '',
    ]);
  });

  test.each(['?offset=-1', '?offset=x', '?follow=maybe', '?of=1'])('%s is refused', async (query) => {
    expect((await logs(await startOne(alice), query)).status).toBe(400);
  });
});

describe('GET /api/v1/jobs/{id}/manifest', () => {
  test('is signed by the provider, says what was published, and never changes', async () => {
    const id = await startOne(alice);
    const early = await alice.call(`/api/v1/jobs/${id}/manifest`);
    expect([early.status, early.body]).toEqual([
      404,
      expect.objectContaining({ detail: 'There is no manifest: the job has not ended yet' }),
    ]);
    await surface.finish(id, { 'a.csv': '0123456789', 'algorithm.log': 'log' });
    const answer = await alice.call(`/api/v1/jobs/${id}/manifest`);
    expect(answer.headers.get('content-type')).toBe('application/vnd.dsse.envelope.v1+json');
    const { signer, statement } = verifyManifest(answer.text, new Wallet(manifestKey).address);
    expect(signer).toBe(new Wallet(manifestKey).address);
    expect(statement.predicate).toMatchObject({ job: { id, status: 70, exitCode: 0 }, outputs: [{ name: 'a.csv', sizeBytes: 10 }, {}] });
    expect((await alice.call(`/api/v1/jobs/${id}/manifest`)).text).toBe(answer.text);
  });

  test('does not exist for a job that ended without results', async () => {
    const id = await startOne(alice);
    const end = { status: 31, reason: 'no data', exitCode: null, oomKilled: false };
    await surface.ledger.recordJob({ jobId: id, podAttempt: 1, status: 31, reason: 'no data', end });
    expect((await alice.call(`/api/v1/jobs/${id}/manifest`)).body).toMatchObject({
      detail: 'There is no manifest: the job has published nothing',
    });
  });
});

describe('GET /api/v1/jobs/{id}/results', () => {
  test('lists files once the job has published them, and gives them whole or in part (complaint: results of a running job fail)', async () => {
    const id = await startOne(alice);
    expect((await alice.call(`/api/v1/jobs/${id}/results`)).body).toEqual({
      results: [],
      resultsCid: null,
      complete: false,
      expiresAt: null,
    });
    await surface.finish(id, { 'a.csv': '0123456789', 'algorithm.log': 'hello' });
    const { body } = await alice.call(`/api/v1/jobs/${id}/results`);
    expect(body).toMatchObject({ complete: true, results: [{ index: 0, name: 'a.csv', sizeBytes: 10 }, { type: 'algorithmLog' }] });
    const whole = await alice.call(`/api/v1/jobs/${id}/results/0`);
    expect([whole.status, whole.text, whole.headers.get('content-disposition')]).toEqual([200, '0123456789', 'attachment;filename=a.csv']);
    const part = await alice.call(`/api/v1/jobs/${id}/results/0`, { headers: { Range: 'bytes=2-4' } });
    expect([part.status, part.text, part.headers.get('content-range')]).toEqual([206, '234', 'bytes 2-4/10']);
    const behind = await alice.call(`/api/v1/jobs/${id}/results/0`, { headers: { Range: 'bytes=10-' } });
    expect([behind.status, problemIn(behind).code, behind.headers.get('content-range')]).toEqual([
      416,
      'RangeNotSatisfiable',
      'bytes */10',
    ]);
  });

  test.each(['2', '-1', '00', 'x', '1e0'])('result %s is unknown', async (index) => {
    const id = await startOne(alice);
    await surface.finish(id, { a: 'x', b: 'y' });
    expect((await alice.call(`/api/v1/jobs/${id}/results/${index}`)).status).toBe(404);
  });
});
