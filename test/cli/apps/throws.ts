/** Throws when it is imported. */
throw new Error("the weather is bad");
