// dlib_weights RESNET.dat > network.xml
//
// Prints the face network, every layer and weight, in dlib's own XML: the
// .dat format is read by dlib alone, XML by anything.
#include <iostream>

#include "dlib_face.h"

int main(int argc, char** argv)
try {
    if (argc != 2) {
        std::cerr << "usage: dlib_weights RESNET.dat > network.xml\n";
        return 64;
    }
    Network(argv[1]).write_xml(std::cout);
    std::cout.flush();
    return std::cout ? 0 : 74;
} catch (const std::exception& e) {
    std::cerr << "dlib_weights: " << e.what() << "\n";
    return 65;
}
