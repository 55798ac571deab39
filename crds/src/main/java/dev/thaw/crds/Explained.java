package dev.thaw.crds;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** What {@code kubectl explain} says of a resource. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
@interface Explained {
    String value();
}
