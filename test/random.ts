import { Random } from "tidemark/testing";

/** Numbers from 0 (inclusive) to 1 (exclusive) that follow from a seed. */
export function randomFrom(seed: number): () => number {
  const random = new Random(seed);
  return () => random.next();
}
