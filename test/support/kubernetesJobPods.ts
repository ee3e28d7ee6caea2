/** Pods of a cluster on this machine, from outside, with the rights of its administrator. */

import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiException, CoreV1Api, Exec, KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { jobLabel, podName } from '../../workflows/contract/ids.ts';
import type { PodRef } from '../../workflows/contract/job.ts';
import { mainProcessOf } from './containerProcesses.ts';
import { diskUsage } from './diskUsage.ts';
import type { JobPods, PodContainer } from './jobPods.ts';

/** Where they are. */
export interface KubernetesPlace {
  /** path of a kubeconfig that may do everything */
  readonly kubeconfig: string;
  readonly namespace: string;
}

const execPatienceMs = 10_000;

const isAbsent = (err: unknown): boolean => err instanceof ApiException && err.code === 404;

const statusOf = (pod: V1Pod, container: PodContainer) => pod.status?.containerStatuses?.find(({ name }) => name === container);

/** A node tells of a container that runs up to a second later; algorithms are quicker. */
const runningProcess = async (read: () => Promise<V1Pod>, container: PodContainer): Promise<number> => {
  const giveUpAt = Date.now() + execPatienceMs;
  for (;;) {
    const pod = await read();
    const status = statusOf(pod, container);
    if (status?.state?.running !== undefined) return mainProcessOf(status.containerID ?? '');
    if (status?.state?.terminated !== undefined || Date.now() > giveUpAt)
      throw new Error(`${container} of ${pod.metadata?.name} does not run`);
    await delay(50);
  }
};

/**
 * Runs a command in the algorithm's container. A shell tells the code: the status of a connection that breaks says nothing.
 */
const execIn = async (exec: Exec, namespace: string, pod: PodRef, command: readonly string[]): Promise<number> => {
  const shell = ['/.c2d/busybox', 'sh', '-c', '"$@"; echo "exit $?"', 'sh', ...command];
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let output = '';
  const take = (): Writable =>
    new Writable({
      write(piece: Buffer, _encoding, done) {
        output += piece.toString('latin1');
        const code = /exit (\d+)\n/.exec(output)?.[1];
        if (code !== undefined) resolve(Number(code));
        done();
      },
    });
  const name = podName(pod);
  // another stream for errors: the client ends each when the command ends
  const socket = await exec.exec(namespace, name, 'algorithm', shell, take(), take(), null, false, ({ message, status }) =>
    reject(new Error(`${command.join(' ')} in ${name} told no code: ${status} ${message} ${output}`)),
  );
  const late = delay(execPatienceMs, undefined, { ref: false }).then(() =>
    reject(new Error(`${command.join(' ')} in ${name} tells nothing`)),
  );
  void late;
  return promise.finally(() => socket.close());
};

/** Access to the pods of one namespace. */
export const kubernetesJobPods = ({ kubeconfig, namespace }: KubernetesPlace): JobPods => {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const exec = new Exec(config);
  const read = (pod: PodRef): Promise<V1Pod> => core.readNamespacedPod({ namespace, name: podName(pod) });
  return {
    kind: 'kubernetes',
    agentsComeBack: false,
    async findObjects(jobId) {
      const query = { namespace, labelSelector: `${jobLabel}=${jobId}` };
      const [pods, claims] = await Promise.all([core.listNamespacedPod(query), core.listNamespacedPersistentVolumeClaim(query)]);
      return [
        ...pods.items.map(({ metadata }) => `pod ${metadata?.name}`),
        ...claims.items.map(({ metadata }) => `volume claim ${metadata?.name}`),
      ];
    },
    exec: (pod, command) => execIn(exec, namespace, pod, command),
    async killMainProcesses(pods, container) {
      const processes = await Promise.all(pods.map((pod) => runningProcess(() => read(pod), container)));
      for (const pid of processes) process.kill(pid, 'SIGKILL');
    },
    async removeByForce(pod) {
      await core.deleteNamespacedPod({ namespace, name: podName(pod), gracePeriodSeconds: 0 });
    },
    async usageOf(pod) {
      const found = await read(pod).catch((err: unknown) => {
        if (isAbsent(err)) return undefined;
        throw err;
      });
      const agent = found && statusOf(found, 'agent');
      if (agent?.state?.running === undefined) return undefined;
      try {
        const root = `/proc/${mainProcessOf(agent.containerID ?? '')}/root`;
        return { bytes: await diskUsage(`${root}/data`), restarts: agent.restartCount };
      } catch {
        // it has ended since the look
        return undefined;
      }
    },
  };
};
