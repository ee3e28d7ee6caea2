import { verifyMessage } from 'ethers';
import { awaitEnd, awaitJob, firstEnvironment, publishTrustingPair, startOrderedJob, startRawJob } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';
import { webhooksOf } from '../support/stackWebhooks.ts';

const scene = useScene();
const patienceMs = 60_000;

describe("the operator's webhooks", () => {
  test(
    'tell of a job when it starts and when it has ended, signed by the provider',
    async () => {
      const assets = await publishTrustingPair(scene(), { contents: ['console.log(1); process.exit(3)'], datasets: [['a']] });
      const started = await startOrderedJob(scene(), assets);
      await awaitEnd(scene(), started.jobId);
      const [start, stop] = await webhooksOf(scene().stack, started.jobId);
      const { consumerAddress, id: environment } = await firstEnvironment(scene().consumer);
      for (const { headers, body } of [start!, stop!])
        expect(verifyMessage(Buffer.from(body), String(headers['c2d-signature'])).toLowerCase()).toBe(consumerAddress.toLowerCase());
      const told = {
        ...{ jobId: started.jobId, algoDID: assets.algorithm.did, DID: assets.datasets.map(({ did }) => did) },
        ...{ environment, agreementId: started.agreementId },
        dateCreated: expect.stringMatching(/^\d+(\.\d+)?$/),
      };
      expect(JSON.parse(start!.body)).toEqual({ ...told, event: 'start', delivery: `${started.jobId}/start` });
      expect(JSON.parse(stop!.body)).toEqual({
        ...{ ...told, event: 'stop', delivery: `${started.jobId}/stop`, status: 82, statusText: 'Algorithm exited with an error' },
        dateFinished: expect.stringMatching(/^\d+(\.\d+)?$/),
        terminationDetails: { exitCode: 3, OOMKilled: false, reason: 'the algorithm ended with exit code 3' },
      });
    },
    patienceMs,
  );

  test(
    'tell of a stop as a stop',
    async () => {
      const { jobId } = await startRawJob(scene(), { code: 'setInterval(() => undefined, 1e3)' });
      await awaitJob(scene(), jobId, ({ status }) => status === 40);
      await scene().consumer.computeStop({ jobId });
      await awaitEnd(scene(), jobId);
      const [, stop] = await webhooksOf(scene().stack, jobId);
      expect(JSON.parse(stop!.body)).toMatchObject({ status: 80, terminationDetails: { reason: 'stopped by the consumer' } });
    },
    patienceMs,
  );
});
