import { heartbeat } from '@temporalio/activity';

const beatMs = 1_500;

/**
 * Tells Temporal every moment that `work` goes on. Without that a step whose process was killed would wait for its whole
 * time limit before another process takes it over.
 * @param details shown to operators, read at each beat
 */
export const keepAlive = async <Result>(work: () => Promise<Result>, details: () => unknown = () => undefined): Promise<Result> => {
  const timer = setInterval(() => heartbeat(details()), beatMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
};
