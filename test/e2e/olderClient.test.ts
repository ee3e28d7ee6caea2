import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { Wallet } from 'ethers';
import { ensureClients } from '../../infra/toolchain/clients.ts';
import { aContainer } from '../support/jobs.ts';
import { useOwnStack } from '../support/ownStack.ts';
import { fundWallet } from '../support/people.ts';

/** What the older client saw. */
interface Story {
  readonly encrypted: string;
  readonly free: { readonly status: number; readonly line: string; readonly result: string };
  readonly paid: number;
  readonly token: { readonly status: number; readonly success: boolean; readonly afterwards: string | null };
  readonly jobIds: readonly string[];
}

const patienceMs = 180_000;
const script = path.join(import.meta.dirname, '../support/olderConsumer.mjs');

describe('where older clients are accepted', () => {
  const own = useOwnStack({ env: { C2D_API_OLDER_CLIENTS: 'true' } });

  test(
    'the unmodified client library 4.3.7 encrypts, starts, follows, stops, reads results and uses tokens',
    async () => {
      const { stack, jobs } = own().scene;
      const clients = await ensureClients(undefined, 'older');
      expect(clients.version).toBe('4.3.7');
      const wallet = Wallet.createRandom();
      await fundWallet(stack.rpcUrl, wallet.address);
      const { stdout } = await promisify(execFile)(process.execPath, [script], {
        timeout: patienceMs,
        env: {
          ...{ PATH: process.env.PATH, HOME: process.env.HOME, ADDRESS_FILE: stack.addressFile },
          ...{ CONSUMER_CLIENTS: clients.path, CONSUMER_RPC: stack.rpcUrl, CONSUMER_API: stack.apiUrl },
          CONSUMER_KEY: wallet.privateKey,
          CONSUMER_STORY: JSON.stringify({ container: aContainer(stack.nodeImage), feeToken: stack.token }),
        },
      });
      const story = JSON.parse(stdout) as Story;
      for (const jobId of story.jobIds) jobs.add(jobId);
      expect(story).toMatchObject({
        encrypted: expect.stringMatching(/^0x[0-9a-f]+$/),
        free: { status: 80, line: 'waiting', result: 'words' },
        paid: 70,
        token: { status: 80, success: true },
      });
      // its fourth start, with a dead token, made no job
      expect(story.jobIds).toHaveLength(3);
    },
    patienceMs,
  );
});
