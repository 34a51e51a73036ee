// The scenarios of mixtures.js in their short form.
import { testTheme } from "./short.js";

testTheme("mixtures");
