import type { SignedCommand } from '../../api/authentication.ts';
import { awaitEndOf, awaitJob, createCaller, readPublicJob, jobIdOf, send, type Caller, type RawAnswer } from '../support/callers.ts';
import { aContainer, firstEnvironment } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';
import { listJobs } from '../support/traces.ts';

const scene = useScene();
const patienceMs = 120_000;

/** Waits to be stopped; then leaves words behind. */
const code = `
console.log('for the owner only');
require('node:fs').writeFileSync('/data/outputs/private', 'for the owner only');
process.on('SIGTERM', () => process.exit(0));
setInterval(() => {}, 1000);`;

interface SignedRoute {
  readonly name: string;
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly command: SignedCommand;
  readonly params: Readonly<Record<string, string>>;
  /** refusal of a stranger with a good signature */
  readonly refusal: string;
}

const stop: SignedRoute = {
  ...{ name: 'stop', method: 'PUT', path: '/api/services/compute', command: 'stopCompute', params: {} },
  refusal: 'stop job',
};
const log: SignedRoute = {
  ...{ name: 'log', method: 'GET', path: '/api/services/computeStreamableLogs', command: 'getComputeStreamableLogs', params: {} },
  refusal: 'get logs for job',
};
const result = (index: number): SignedRoute => ({
  ...{ name: `result ${index}`, method: 'GET', path: '/api/services/computeResult', command: 'getComputeResult' },
  params: { index: String(index) },
  refusal: 'get results for job',
});

const callWith = ({ method, path, params }: SignedRoute, query: Readonly<Record<string, string>>): Promise<RawAnswer> =>
  send(scene().stack.apiUrl, method, path, { query: { ...params, ...query } });

const callAs = (caller: Caller, route: SignedRoute, jobId: string): Promise<RawAnswer> =>
  callWith(route, { jobId, ...caller.credentials(route.command) });

/** A job of `owner` whose algorithm waits to be stopped, named to `viewers`. */
const startJob = async (owner: Caller, viewers: readonly Caller[]): Promise<string> => {
  const environment = (await firstEnvironment(scene().consumer)).id;
  const algorithm = { meta: { rawcode: code, container: aContainer(scene().stack.nodeImage) } };
  const additionalViewers = viewers.map(({ address }) => address);
  const body = { environment, datasets: [], algorithm, additionalViewers, queueMaxWaitTime: 120, ...owner.credentials('freeStartCompute') };
  return jobIdOf(await send(scene().stack.apiUrl, 'POST', '/api/services/freeCompute', { body }));
};

/** Opens the live log, reads until `text` has come and hangs up. */
const readLiveLog = async (caller: Caller, jobId: string, text: string): Promise<number> => {
  const url = new URL(log.path, scene().stack.apiUrl);
  for (const [name, value] of Object.entries({ jobId, ...caller.credentials(log.command) })) url.searchParams.set(name, value);
  const hangUp = new AbortController();
  const response = await fetch(url, { signal: hangUp.signal });
  if (response.status === 200 && response.body !== null) {
    let seen = '';
    for await (const chunk of response.body) {
      seen += Buffer.from(chunk as Uint8Array).toString();
      if (seen.includes(text)) break;
    }
    expect(seen).toContain(text);
  }
  hangUp.abort();
  return response.status;
};

const lastNonce = async (address: string): Promise<unknown> =>
  (await send(scene().stack.apiUrl, 'GET', '/api/services/nonce', { query: { userAddress: address } })).json;

interface People {
  readonly owner: Caller;
  readonly stranger: Caller;
  readonly jobId: string;
}

/** Everything that somebody without a right can send to a route, and how each is answered. */
const attacks: Readonly<Record<string, (route: SignedRoute, people: People) => Promise<readonly [RawAnswer, number]>>> = {
  'a stranger with a good signature': async (route, { stranger, jobId }) => [await callAs(stranger, route, jobId), 403],
  "the owner's address, signed by a stranger": async (route, { owner, stranger, jobId }) => [
    await callWith(route, { jobId, ...stranger.credentials(route.command), consumerAddress: owner.address }),
    401,
  ],
  'no signature': async (route, { owner, jobId }) => {
    const { signature: _left, ...rest } = owner.credentials(route.command);
    return [await callWith(route, { jobId, ...rest }), 401];
  },
  'an empty signature': async (route, { owner, jobId }) => [
    await callWith(route, { jobId, ...owner.credentials(route.command), signature: '0x' }),
    401,
  ],
  'nothing but the job': async (route, { jobId }) => [await callWith(route, { jobId }), 401],
  'only the address of the owner': async (route, { owner, jobId }) => [
    await callWith(route, { jobId, consumerAddress: owner.address }),
    401,
  ],
  "the owner's signature of another call": async (route, { owner, jobId }) => [
    await callWith(route, { jobId, ...owner.credentials('encrypt') }),
    401,
  ],
  "the owner's signature under a stranger's address": async (route, { owner, stranger, jobId }) => [
    await callWith(route, { jobId, ...owner.credentials(route.command), consumerAddress: stranger.address }),
    401,
  ],
  'a nonce of the owner, raised without a new signature': async (route, { owner, jobId }) => {
    const { nonce, ...rest } = owner.credentials(route.command);
    return [await callWith(route, { jobId, ...rest, nonce: String(Number(nonce) + 1) }), 401];
  },
  'a token that the service never gave': async ({ method, path, params }, { jobId }) => [
    await send(scene().stack.apiUrl, method, path, {
      query: { ...params, jobId },
      headers: { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' },
    }),
    401,
  ],
};

/** Tries every attack on a route; none may tell or change anything, or use up a nonce of the owner. */
const attack = async (route: SignedRoute, people: People): Promise<void> => {
  const nonce = await lastNonce(people.owner.address);
  for (const [title, attempt] of Object.entries(attacks)) {
    const [answer, status] = await attempt(route, people);
    expect([route.name, title, answer.status]).toEqual([route.name, title, status]);
    expect(Object.keys(answer.json as object)).toEqual(['error']);
    expect(answer.text).not.toContain('for the owner only');
    if (status === 403)
      expect(answer.json).toEqual({ error: `${people.stranger.address} is not authorized to ${route.refusal} with id ${people.jobId}` });
  }
  expect(await lastNonce(people.owner.address)).toEqual(nonce);
};

/** The very request of the owner, seen by somebody on its way and sent again. */
const replay = async (route: SignedRoute, { owner, jobId }: People, status: number): Promise<void> => {
  const query = { jobId, ...owner.credentials(route.command) };
  expect((await callWith(route, query)).status).toBe(status);
  expect((await callWith(route, query)).json).toEqual({ error: `nonce: ${query.nonce} is not a valid nonce` });
};

describe("another's job", () => {
  const [owner, viewer, stranger] = [createCaller(), createCaller(), createCaller()];
  let people: People;

  beforeAll(async () => {
    people = { owner, stranger, jobId: await startJob(owner, [viewer]) };
    await awaitJob(scene().stack.apiUrl, people.jobId, ({ status }) => status === 40);
  }, patienceMs);

  test(
    "runs on untouched by whoever is not its owner, and its live log is the owner's and viewers'",
    async () => {
      const { jobId } = people;
      for (const route of [stop, log, result(0)]) await attack(route, people);
      expect(await callAs(viewer, stop, jobId)).toMatchObject({
        status: 403,
        json: { error: `${viewer.address} is not authorized to stop job with id ${jobId}` },
      });
      expect(await readPublicJob(scene().stack.apiUrl, jobId)).toMatchObject({ status: 40, stopRequested: false });
      expect(await readLiveLog(stranger, jobId, 'for the owner only')).toBe(403);
      expect(await readLiveLog(viewer, jobId, 'for the owner only')).toBe(200);
      expect(await readLiveLog(owner, jobId, 'for the owner only')).toBe(200);
    },
    patienceMs,
  );

  test("is in no list but its owner's, whatever the filters (complaint: others' jobs are listed)", async () => {
    const { jobId } = people;
    expect(await listJobs(scene().stack.apiUrl, stranger.address)).toEqual([]);
    expect(await listJobs(scene().stack.apiUrl, viewer.address)).toEqual([]);
    expect(await listJobs(scene().stack.apiUrl, owner.address)).toEqual([jobId]);
    const { json } = await send(scene().stack.apiUrl, 'GET', '/api/services/compute', {
      query: { jobId, consumerAddress: stranger.address },
    });
    expect(json).toEqual([]);
    // a part of an id, or a pattern, is no id
    for (const part of [jobId.slice(0, 16), `${jobId.slice(0, 31)}%`, '%', '*', '-', ''.padEnd(32, '_')]) {
      const answer = await send(scene().stack.apiUrl, 'GET', '/api/services/compute', { query: { jobId: part } });
      expect([part, answer.json]).toEqual([part, []]);
    }
  });

  test(
    'gives its results to its owner and viewers only, once it has ended',
    async () => {
      const { jobId } = people;
      scene().jobs.add(jobId);
      expect((await callAs(owner, stop, jobId)).status).toBe(200);
      const job = await awaitEndOf(scene().stack.apiUrl, jobId);
      expect(job.status).toBe(80);
      expect(job.results.map(({ filename }) => filename)).toContain('private');
      for (const { index, filename } of job.results) {
        await attack(result(index), people);
        const [owners, viewers] = [await callAs(owner, result(index), jobId), await callAs(viewer, result(index), jobId)];
        expect([filename, owners.status, viewers.status, owners.text]).toEqual([filename, 200, 200, viewers.text]);
        if (filename === 'private') expect(owners.text).toBe('for the owner only');
        await replay(result(index), people, 200);
      }
      await replay(stop, people, 200);
      for (const who of [viewer, stranger]) expect((await callAs(who, stop, jobId)).status).toBe(403);
    },
    patienceMs,
  );

  test('is deleted by nobody', async () => {
    const { status } = await callWith({ ...stop, method: 'DELETE' }, { jobId: people.jobId, ...owner.credentials('stopCompute') });
    expect(status).toBe(404);
    expect(await readPublicJob(scene().stack.apiUrl, people.jobId)).toMatchObject({ status: 80 });
  });
});
