// The scenarios of transports.js in their short form.
import { testTheme } from "./short.js";

testTheme("transports");
