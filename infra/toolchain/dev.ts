/** `npm run dev`: the whole service, up until Ctrl-C. */

import { ensureBusybox } from './busybox.ts';
import { connectCluster } from './cluster/cluster.ts';
import { ensureNodeAlgorithmImage } from './algorithmImage.ts';
import { describeStack } from './describeStack.ts';
import { startStack, type Stack } from './stack.ts';

/** How the service is to be. */
export interface DevOptions {
  /** keeps the data for the next start; default: nothing is kept */
  readonly folder?: string;
  /** name of the cluster that runs the pods, which is up and stays up; default: the container engine runs them */
  readonly cluster?: string;
}

/** Starts the service, says where it is, and ends it on SIGINT or SIGTERM. After the call nothing of it runs any more. */
export const runDev = async ({ folder, cluster }: DevOptions = {}): Promise<void> => {
  const signalled = nextSignal();
  const stack = await startStack({
    report: (line) => console.log(`  ${line}`),
    ...(folder !== undefined && { folder }),
    ...(cluster !== undefined && { cluster: await connectCluster(cluster) }),
  });
  try {
    // an interrupt during the start waits for its end, as only then everything can be ended in order
    if ((await Promise.race([signalled, prepare(stack).then(() => 'ready')])) === 'ready') {
      console.log('The service is up. Ctrl-C ends it.');
      await signalled;
    }
  } finally {
    console.log('Taking everything down.');
    await stack.close();
  }
};

const prepare = async (stack: Stack): Promise<void> => {
  const busybox = await ensureBusybox();
  const built = await ensureNodeAlgorithmImage({
    docker: stack.docker,
    busyboxPath: busybox.path,
    report: (line) => console.log(`  ${line}`),
  });
  const lines = {
    API: stack.apiUrl,
    'API pages': stack.docsUrl,
    'Temporal UI': stack.temporalUiUrl,
    chain: `${stack.chain.rpcUrl} (chain ${stack.chain.chainId})`,
    ...(stack.pods.kind === 'kubernetes' && { 'pods in namespace': stack.pods.namespace, kubeconfig: stack.pods.kubeconfig }),
    'algorithm image': await stack.importImage(built),
    logs: `${stack.folder}/logs`,
    'all of it, with keys': await describeStack(stack),
  };
  for (const [name, value] of Object.entries(lines)) console.log(`${name.padEnd(21)} ${value}`);
};

const nextSignal = (): Promise<string> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
  });
