import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Client, Connection } from '@temporalio/client';
import { computeEnvironment } from '../../../infra/environments/environments.ts';
import { createJobStarter, jobRefOf } from '../../../infra/temporal/jobStarter.ts';
import { jobWorkflowId } from '../../../workflows/contract/ids.ts';
import { aSpec } from '../../support/builders.ts';

const environment = computeEnvironment.parse({ id: 'small', maxQueueTime: 50 });

describe('a start', () => {
  test('is answered within seconds while Temporal gives no sign of life', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const sockets: Socket[] = [];
    silent.on('connection', (socket) => void sockets.push(socket.on('error', () => undefined)));
    const { port } = silent.address() as AddressInfo;
    const connection = Connection.lazy({ address: `127.0.0.1:${port}` });
    const starter = createJobStarter({ client: new Client({ connection }), heartbeatSeconds: 12 });
    const beganAt = performance.now();
    await expect(starter.start({ spec: aSpec(), environment })).rejects.toMatchObject({ type: 'ServiceUnavailable' });
    expect(performance.now() - beganAt).toBeLessThan(10_000);
    await connection.close();
    for (const socket of sockets) socket.destroy();
    silent.close();
  }, 30_000);

  describe('on a server without a worker', () => {
    let connection: Connection;
    let client: Client;
    beforeAll(async () => {
      connection = await Connection.connect({ address: process.env.C2D_TEST_TEMPORAL_ADDRESS! });
      client = new Client({ connection });
    });
    afterAll(() => connection.close());

    test('waits for the verdict as long as a client may, and is then pending; once ended by hand it is refused', async () => {
      const spec = aSpec();
      const starter = createJobStarter({ client, heartbeatSeconds: 12, verdictPatienceMs: 5_000 });
      const beganAt = performance.now();
      await expect(starter.start({ spec, environment })).resolves.toEqual({ kind: 'pending' });
      expect(performance.now() - beganAt).toBeGreaterThan(4_500);
      await client.workflow.getHandle(jobWorkflowId(spec.jobId)).terminate('by hand');
      await expect(starter.start({ spec, environment })).resolves.toEqual({
        kind: 'refused',
        type: 'PodLost',
        message: 'the job lost its workflow; start it again',
      });
    }, 30_000);
  });
});

describe("the workflow's argument", () => {
  const refOf = (over: Parameters<typeof aSpec>[0]) => jobRefOf(aSpec(over), environment, 12);

  test('names consumers by a hash that does not depend on the spelling', () => {
    const address = `0x${'aB'.repeat(20)}`;
    const [one, other] = [address, address.toLowerCase()].map((consumerAddress) => refOf({ consumerAddress, isFree: true }).place);
    expect(one).toEqual(other);
    expect(one).toEqual({ kind: 'free', consumerKey: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(refOf({}).place).toMatchObject({ kind: 'paid' });
  });

  test('takes no place for a test of the service itself', () => expect(refOf({ surface: 'selfTest' }).place).toBeNull());

  test.each([
    ['as long as it was asked', 7, 7],
    ['no longer than the environment allows', 70, 50],
    ['a moment when it was accepted for a place that another took', 0, 30],
  ])('lets a job wait %s', (_name, queueMaxWaitTime, queueSeconds) => {
    expect(refOf({ queueMaxWaitTime }).limits.queueSeconds).toBe(queueSeconds);
  });
});
