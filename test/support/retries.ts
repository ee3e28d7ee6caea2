/** Repeats failed tests of the whole service where the machine's own noise must not decide: continuous integration asks for it. */

// what failed first is printed, so that a test that often needs a second run is seen
import.meta.jest.retryTimes(Number(process.env.C2D_TEST_RETRIES ?? '0'), { logErrorsBeforeRetry: true });
