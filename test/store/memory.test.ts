import { storeConformance } from "../../src/store/conformance.ts";
import { memoryStores } from "../../src/store/memory/store.ts";

storeConformance("memory", {
  open: async () => memoryStores(),
  dispose: async () => {},
});
