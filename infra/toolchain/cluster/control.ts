/** Orders to the process that holds a cluster: HTTP on a unix socket in the cluster's folder. */

import { createServer, request as sendRequest, type Server } from 'node:http';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { MissingPart, messageOf } from '../parts.ts';
import type { ComponentName } from './components.ts';

/** Where a cluster is in its life. */
export type ClusterPhase = 'starting' | 'ready' | 'failed' | 'closing';

/** What a cluster's host says about it. */
export interface ClusterReport {
  readonly name: string;
  readonly phase: ClusterPhase;
  /** the latest line of progress; why it failed */
  readonly line: string;
  /** the part whose absence made it fail */
  readonly missing?: MissingPartFields;
  /** process id of the host */
  readonly host: number;
  readonly facts?: ClusterFacts;
}

/** A `MissingPart` on its way from one process to another. */
export interface MissingPartFields {
  readonly part: string;
  readonly reason: string;
  readonly remedy: string;
}

/** Takes a `MissingPart` apart; nothing for any other failure. */
export const fieldsOf = (failure: unknown): MissingPartFields | undefined => {
  if (!(failure instanceof MissingPart)) return undefined;
  const { part, remedy, message } = failure;
  return { part, remedy, reason: message.slice(part.length + 2, message.length - remedy.length - '. Remedy: .'.length) };
};

/** What is known of a cluster once it is ready. */
export interface ClusterFacts {
  /** file that makes its reader the administrator */
  readonly kubeconfig: string;
  readonly nodeAddress: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  /** as `localhostProfile` of a pod names it; undefined where this machine has none to make it from */
  readonly seccompProfile?: string | undefined;
  /** folder with the programs of Kubernetes, kubectl among them */
  readonly programs: string;
  readonly containerdSocket: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly components: Readonly<Record<ComponentName, 'running' | 'stopped'>>;
  readonly isEnforcingPolicies: boolean;
}

/** An order. */
export type ClusterOrder =
  | { readonly order: 'report' }
  | { readonly order: 'stop' | 'kill' | 'start'; readonly component: ComponentName }
  | { readonly order: 'enforce'; readonly isEnforcing: boolean }
  | { readonly order: 'trustRegistry'; readonly registry: string }
  | { readonly order: 'close' };

/** Takes orders. @param obey resolves with the answer, when the order is carried out */
export const openControl = async (socket: string, obey: (order: ClusterOrder) => Promise<unknown>): Promise<Server> => {
  await rm(socket, { force: true });
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      void Promise.resolve()
        .then(() => obey(JSON.parse(Buffer.concat(chunks).toString()) as ClusterOrder))
        .then(
          (answer) => response.end(JSON.stringify({ answer: answer ?? null })),
          (err: unknown) => response.end(JSON.stringify({ problem: messageOf(err) })),
        );
    });
  });
  server.listen(socket);
  await once(server, 'listening');
  return server;
};

const orderPatienceMs = 120_000;

/**
 * Gives an order and waits until it is carried out.
 * @throws Error with the code ENOENT or ECONNREFUSED if there is no host; Error with its reason if it refuses
 */
export const giveOrder = async (socket: string, order: ClusterOrder): Promise<unknown> => {
  const text = await new Promise<string>((resolve, reject) => {
    const request = sendRequest({ socketPath: socket, method: 'POST', path: '/', timeout: orderPatienceMs, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks).toString()));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error(`the cluster's host did not carry out '${order.order}' in time`)));
    request.on('error', reject);
    request.end(JSON.stringify(order));
  });
  const { answer, problem } = JSON.parse(text) as { answer?: unknown; problem?: string };
  if (problem !== undefined) throw new Error(problem);
  return answer;
};

/** The host's report, undefined if no host holds that cluster. */
export const askForReport = async (socket: string): Promise<ClusterReport | undefined> => {
  try {
    return (await giveOrder(socket, { order: 'report' })) as ClusterReport;
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    // a host that has just ended may reset the connection
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ECONNRESET') return undefined;
    throw err;
  }
};
