/** Tells an operator's own servers of jobs. Their addresses are configuration, so no rule of the way out holds for them. */

import { Wallet } from 'ethers';
import { Agent, request as sendRequest } from 'undici';
import type { JobEvent } from '../../workflows/contract/job.ts';
import { outboundError, OutboundFailed } from './outboundErrors.ts';
import { nextHop } from './redirects.ts';

export interface WebhooksOptions {
  /** absent: nobody wants to hear of that event. User name and password in it become basic authorization */
  readonly urls: Readonly<Record<JobEvent, string | undefined>>;
  /** 0x hex; signs every body */
  readonly privateKey: string;
  /** for one attempt, from the name's look-up to the answer's status */
  readonly patienceMs?: number;
}

/** One message. */
interface Webhook {
  readonly event: JobEvent;
  /** the same for every attempt */
  readonly delivery: string;
  /** JSON, sent and signed byte by byte */
  readonly body: string;
}

/** Posts messages to the operator's receivers. */
export interface Webhooks {
  readonly events: readonly JobEvent[];
  /**
   * Resolves when the receiver has answered 2xx. Redirects are not followed, and of the answer's body nothing is kept.
   * @throws Error that does not tell the address: try again
   */
  post(webhook: Webhook, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

const jobEvents: readonly JobEvent[] = ['start', 'stop'];
const bytesOfAnswer = 16_384;

const failureOf = (err: unknown): Error => {
  const failed = outboundError(err);
  const code = failed instanceof OutboundFailed ? failed.code : null;
  return new Error(`the receiver of webhooks could not be reached in time${code === null ? '' : ` (${code})`}`);
};

export const createWebhooks = ({ urls, privateKey, patienceMs = 10_000 }: WebhooksOptions): Webhooks => {
  const wallet = new Wallet(privateKey);
  const dispatcher = new Agent({ connect: { timeout: patienceMs }, headersTimeout: patienceMs, bodyTimeout: patienceMs });
  const send = async (url: string, { event, delivery, body }: Webhook, given: AbortSignal): Promise<number> => {
    const bytes = Buffer.from(body);
    const headers = {
      'content-type': 'application/json',
      ...{ 'c2d-event': event, 'c2d-delivery': delivery },
      ...{ 'c2d-address': wallet.address, 'c2d-signature': await wallet.signMessage(bytes) },
    };
    const { body: _unsent, ...hop } = nextHop.first({ url, method: 'POST', headers });
    const signal = AbortSignal.any([given, AbortSignal.timeout(patienceMs)]);
    const answer = await sendRequest(hop.url, { dispatcher, method: 'POST', headers: hop.headers, body: bytes, signal });
    // the connection can be used again if the answer is short; what it says counts for nothing
    await answer.body.dump({ limit: bytesOfAnswer, signal }).catch(() => undefined);
    return answer.statusCode;
  };
  return {
    events: jobEvents.filter((event) => urls[event] !== undefined),
    async post(webhook, signal) {
      const url = urls[webhook.event];
      if (url === undefined) return;
      const status = await send(url, webhook, signal).catch((err: unknown) => {
        throw failureOf(err);
      });
      if (status < 200 || status > 299) throw new Error(`the receiver of webhooks answered ${status}`);
    },
    close: () => dispatcher.destroy(),
  };
};
